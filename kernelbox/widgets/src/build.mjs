// Bundles every view into one file that needs no other, and notes what it was made of.
//
// Run by `make widgets` in a copy of this folder's parent, so that nothing of npm's stays here.

import { createHash } from "node:crypto";
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { build, transform } from "esbuild";

// What has a default export, a widget, is a view of its own; the rest is there to be imported.
const VIEWS = readdirSync("src").filter((name) => name.endsWith(".js")
  && /^export default /m.test(readFileSync(`src/${name}`, "utf8")));
const LIBRARIES = ["d3-hierarchy", "@dagrejs/dagre", "uplot"];

// A style sheet is imported as text, to be put where the view is.
const styles = {
  name: "styles",
  setup({ onLoad }) {
    onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(readFileSync(path, "utf8"), { loader: "css", minify: true });
      return { contents: code, loader: "text" };
    });
  },
};

mkdirSync("static", { recursive: true });
const { outputFiles } = await build({
  entryPoints: VIEWS.map((name) => `src/${name}`),
  outdir: "static",
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  charset: "ascii", // whatever the encoding of the page that holds it
  legalComments: "none", // see LICENSES
  plugins: [styles],
  write: false,
});
for (const { path, text } of outputFiles) {
  // dagre has control characters in strings, which no HTML may hold.
  const code = (one) => `\\x${one.charCodeAt(0).toString(16).padStart(2, "0")}`;
  writeFileSync(path, text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g, code));
}
copyFileSync("src/theme.css", "static/theme.css");

const licenses = LIBRARIES.map((name) => {
  const file = readdirSync(`node_modules/${name}`).find((one) => /^licen[sc]e/i.test(one));
  return `${name}\n\n${readFileSync(`node_modules/${name}/${file}`, "utf8").trim()}\n`;
});
writeFileSync("static/LICENSES", licenses.join("\n----\n\n"));

// A test compares this with the sources: a bundle that is out of date does not pass.
const sum = createHash("sha256");
const sources = readdirSync("src").map((name) => `src/${name}`);
for (const name of [...sources, "package.json", "package-lock.json"].sort()) {
  sum.update(`${name}\0`).update(readFileSync(name)).update("\0");
}
writeFileSync("static/SOURCES", `${sum.digest("hex")}\n`);
