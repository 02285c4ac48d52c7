// What reveal.js does not know about slides that hold live widgets: which keys
// belong to a slider, and how large a figure may be.
(() => {
  "use strict";

  const SLIDE_HEIGHT = 900;
  const FIGURE_HEIGHT = { most: 640, least: 240, step: 20 };
  const TYPE = { most: 34, least: 20, step: 1 };

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

  // Keys that mean something to the widget in focus stay with it. Space is no key
  // of a slider, so it turns the slide from there too.
  const OWN_KEYS = [
    [".noUi-handle", /^(Arrow|Home$|End$)/],
    ["select, button, input, textarea, summary, [contenteditable]", /^(?!Page)/],
  ];
  document.querySelector(".reveal .slides").addEventListener("keydown", (event) => {
    const own = OWN_KEYS.find(([selector]) => event.target.closest(selector));
    if (own && own[1].test(event.key)) event.stopPropagation();
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

  const fit = () => {
    const slide = current();
    if (!slide) return;
    slide.classList.remove("too-long");
    slide.style.setProperty("--type", `${TYPE.most}px`);
    shrink(slide, "--figure-height", FIGURE_HEIGHT);
    shrink(slide, "--type", TYPE);
    slide.classList.toggle("too-long", overflows(slide));
    reveal("layout");
  };

  // Widgets and formulas arrive after the slide: fit again when its size changes,
  // once per frame, and not because of the fitting itself.
  let waiting = false;
  const fitSoon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { fit(); setTimeout(() => { waiting = false; }, 50); });
  };
  const watch = new ResizeObserver(fitSoon);

  const onSlide = () => {
    // A slider left behind must not move unseen.
    const focus = document.activeElement;
    const slide = current();
    if (focus && slide && !slide.contains(focus)) focus.blur();
    watch.disconnect();
    if (slide) for (const child of slide.children) watch.observe(child);
    fitSoon();
  };
  for (const name of ["ready", "slidechanged", "fragmentshown", "fragmenthidden"]) {
    document.addEventListener(name, onSlide);
  }
  onSlide();
})();
