// Where the kernel of a live view is gone, JupyterLab says "Error displaying widget: model not
// found". With this it shows the still twin, the HTML that the notebook has stored beside the view.
//
// A prebuilt extension that needs no building: a module federation container with one module.
// Source: JupyterLab, "Prebuilt Extensions"; webpack, "Module Federation" (init and get).

{
  const LIVE = "application/vnd.jupyter.widget-view+json";
  const STILL = "text/html";
  // A picture within a page asks the element that it stands in whether its paper is dark. And
  // JupyterLab moves a table to the left in an output, but not in one within an output.
  const STYLE = `
    body[data-jp-theme-light="true"] .kb-picture { color-scheme: light; }
    body[data-jp-theme-light="false"] .kb-picture { color-scheme: dark; }
    .jp-OutputArea-output > .jp-RenderedHTMLCommon table { margin-left: 0; margin-right: 0; }`;

  // Lets a renderer of live views fall back. Until the kernel has told which views live, it shows
  // the twin as well; it is then asked to render once more.
  function withTwin(renderer, still) {
    const render = renderer.renderModel.bind(renderer);
    let twin;
    renderer.renderModel = async (model) => {
      if (twin) {
        renderer.node.append(twin.node); // what renders anew has emptied the node by itself
        twin.dispose();
      }
      twin = undefined;
      await render(model);
      if (renderer.widgets.length > 0 || renderer.isHidden || !(STILL in model.data)) return;
      renderer.node.textContent = "";
      renderer.removeClass("jupyter-widgets");
      twin = still();
      renderer.addWidget(twin);
      await twin.renderModel(model);
    };
    return renderer;
  }

  function attend(rendermime) {
    const create = rendermime.createRenderer.bind(rendermime);
    rendermime.createRenderer = (kind) =>
      kind === LIVE ? withTwin(create(kind), () => create(STILL)) : create(kind);
  }

  function plugin({ INotebookTracker }) {
    return {
      id: "kernelbox:twins",
      description: "Shows what is stored of a view where its kernel is gone.",
      autoStart: true,
      requires: [INotebookTracker],
      activate(_app, notebooks) {
        const style = document.createElement("style");
        style.textContent = STYLE;
        document.head.append(style);
        notebooks.forEach((panel) => attend(panel.content.rendermime));
        notebooks.widgetAdded.connect((_, panel) => attend(panel.content.rendermime));
      },
    };
  }

  let shared; // JupyterLab's own modules: by name and version, a function that loads one

  const load = async (name) => {
    const [version] = Object.values(shared[name]);
    return (await version.get())();
  };

  window._JUPYTERLAB ??= {};
  window._JUPYTERLAB.kernelbox = {
    init(modules) {
      shared = modules;
    },
    async get() {
      const notebook = await load("@jupyterlab/notebook");
      return () => ({ __esModule: true, default: plugin(notebook) });
    },
  };
}
