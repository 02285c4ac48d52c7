// What reveal.js does not know about slides that hold live widgets: which keys
// belong to a slider, and how large a figure may be.
(() => {
  "use strict";

  const SLIDE_HEIGHT = 900;
  const FIGURE_HEIGHT = { most: 640, least: 240, step: 20 };
  const TYPE = { most: 34, least: 20, step: 1 };
  const TYPE_BESIDE_FIGURE = 27; // so that the labels of the picture can be read too

  // Voilà keeps the Reveal object to itself; this is its public way in.
  const reveal = (method, ...args) =>
    window.postMessage(JSON.stringify({ method, args }), "*");

  // PageUp and PageDown, which is what a clicker sends, turn the slide wherever
  // the focus is; a slider would take them for five steps.
  const TURN = { PageDown: "next", PageUp: "prev" };
  document.addEventListener("keydown", (event) => {
    const turn = TURN[event.key];
    if (!turn || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    reveal(turn);
  }, true);

  // Right and Space show every slide, also those that stand below another.
  reveal("configure", { navigationMode: "linear" });

  // Keys that mean something to the widget in focus stay with it. Space is no key
  // of a slider, so it turns the slide from there too; letters are no keys of a button.
  const OWN_KEYS = [
    [".noUi-handle", /^(Arrow|Home$|End$)/],
    ["button, summary, input[type=checkbox]", /^(Enter| )$/],
    ["select, input:not([type=checkbox]), textarea, [contenteditable]", /^(?!Page)/],
  ];
  document.querySelector(".reveal .slides").addEventListener("keydown", (event) => {
    const own = OWN_KEYS.find(([selector]) => event.target.closest(selector));
    if (own && own[1].test(event.key)) event.stopPropagation();
  });

  // Who clicks a button with a pointer goes on with the keys of the slides.
  document.addEventListener("click", (event) => {
    if (!event.detail) return; // pressed by a key
    const clicked = event.target.closest("button, summary, input[type=checkbox]");
    if (clicked) setTimeout(() => clicked.blur());
  });
  // So does who presses into a picture, which by itself would leave the last slider its keys.
  document.addEventListener("pointerdown", (event) => {
    if (event.target.closest(".normlib-spot")) document.activeElement.blur();
  });

  // A figure takes the height that the text leaves; then the type gives way.
  const current = () =>
    document.querySelector(".slides section.present section.present") ||
    document.querySelector(".slides section.present");

  const overflows = (slide) => slide.scrollHeight > SLIDE_HEIGHT;

  const shrink = (slide, name, range) => {
    let size = range.most;
    slide.style.setProperty(name, `${size}px`);
    while (overflows(slide) && size > range.least) {
      size -= range.step;
      slide.style.setProperty(name, `${size}px`);
    }
  };

  // A handout has all slides at once.
  const isHandout = /print-pdf/.test(window.location.search);
  const slides = () => document.querySelectorAll(".slides section:not(.stack)");

  // A figure whose question stands on the slide before has it as a line above it.
  const repeatQuestion = (slide) => {
    const figure = slide.querySelector(".normlib-figure");
    if (!figure || slide.querySelector("h2, .normlib-question, .normlib-asked")) return;
    const all = [...slides()];
    const before = all[all.indexOf(slide) - 1];
    if (!before || before.querySelector(".normlib-figure")) return; // it asked of that
    const asked = [...before.querySelectorAll(".normlib-question")].pop();
    const words = asked?.querySelector("b");
    const first = asked?.querySelector(".normlib-options button");
    if (!words || first?.textContent === "True") return; // a card
    const line = document.createElement("p");
    line.className = "normlib-asked";
    line.append(...words.cloneNode(true).childNodes);
    figure.before(line);
  };

  const fit = (slide) => {
    repeatQuestion(slide);
    slide.classList.remove("too-long");
    const figure = slide.querySelector(".normlib-figure");
    const most = figure ? TYPE_BESIDE_FIGURE : TYPE.most;
    slide.style.setProperty("--type", `${most}px`);
    shrink(slide, "--figure-height", FIGURE_HEIGHT);
    shrink(slide, "--type", { ...TYPE, most });
    slide.classList.toggle("too-long", overflows(slide));
  };
  const fitShown = () => {
    if (isHandout) return slides().forEach(fit);
    if (!current()) return;
    fit(current());
    reveal("layout");
  };

  // Widgets and formulas arrive after the slide: fit again when its size changes,
  // once per frame, and not because of the fitting itself.
  let waiting = false;
  const fitSoon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { fitShown(); setTimeout(() => { waiting = false; }, 50); });
  };
  // A figure may grow inside a slide that keeps its own size: look now and then.
  setInterval(() => {
    const slide = current();
    if (slide && overflows(slide) && !slide.classList.contains("too-long")) fitSoon();
  }, 300);
  const watch = new ResizeObserver(fitSoon);

  // Tab stays on the slide that is shown.
  const onlyThis = (slide) => {
    for (const other of slides()) {
      other.inert = Boolean(slide) && other !== slide;
    }
  };
  document.addEventListener("overviewshown", () => onlyThis(null));
  document.addEventListener("overviewhidden", () => onlyThis(current()));

  const onSlide = () => {
    // A slider left behind must not move unseen.
    const focus = document.activeElement;
    const slide = current();
    if (focus && slide && !slide.contains(focus)) focus.blur();
    if (!isHandout) onlyThis(slide);
    watch.disconnect();
    if (isHandout) slides().forEach((each) => watch.observe(each));
    else if (slide) for (const child of slide.children) watch.observe(child);
    waiting = false; // that was for the slide before
    fitSoon();
  };
  for (const name of ["ready", "slidechanged", "fragmentshown", "fragmenthidden"]) {
    document.addEventListener(name, onSlide);
  }
  onSlide();
})();
