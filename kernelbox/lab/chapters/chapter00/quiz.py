"""The questions at the end of chapter 00."""

from __future__ import annotations

from kernelbox.lab.exercises.questions import question, right, wrong

QUIZ = (
    question(
        "What must be installed on a Linux machine before it can run a container?",
        wrong("Docker, with its daemon running", "It makes the requests for you, and so does any "
              "other program that is allowed to: section 6 found no engine between the container "
              "and this notebook."),
        wrong("Docker, Podman or containerd", "Podman makes the same requests. The kernel does not "
              "care who asks (section 6)."),
        wrong("a hypervisor, such as KVM", "That is for virtual machines, which bring a kernel of "
              "their own."),
        right("nothing: the kernel can do it", "Section 6: between the container and this notebook "
              "there was no engine."),
    ),
    question(
        "A process that is in no container is in ...",
        wrong("no namespace of any kind at all", "There is no outside: a process is in one "
              "namespace of each kind."),
        right("the same namespaces as init", "It has inherited them (section 4)."),
        wrong("the namespace called `host`", "No namespace is special by its name: they have "
              "numbers only, and init's are those that were there first."),
    ),
    question(
        '`p.unshare("uts")`, then `p.sethostname("lab")`. Who sees the new name?',
        wrong("every process of this machine", "So it would be without the `unshare`."),
        right("`p`, and what it starts from then on", "Namespaces are handed down to children."),
        wrong("`p`, and its parents up to init", "Namespaces are handed down; nothing is handed "
              "up."),
    ),
    question(
        "Why does the notebook need an agent?",
        wrong("Python has no way of making a system call", "It made that one very well: the "
              "kernel's answer was `EINVAL` (section 3)."),
        right("the kernel moves only processes with one thread", "The notebook has several: "
              "`EINVAL` (section 3)."),
        wrong("its containers have to outlive the notebook", "What the agent holds ends with the "
              "notebook (section 7)."),
    ),
    question(
        "Your notebook crashed. What is left of its containers?",
        wrong("all of them, until the machine is rebooted", "They are bound to the notebook, and "
              "end with it."),
        right("nothing, or what `kernelbox reset` removes", "Everything was written down before it "
              "was made."),
        wrong("nobody can know, as nothing was written down", "The ledger names each thing since "
              "before it was made."),
    ),
)  # fmt: skip
