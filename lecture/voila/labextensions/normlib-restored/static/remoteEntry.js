// Voilà draws all outputs once every extension is there. A widget whose state has not
// come two seconds later may be given up for good, with "model not found" on the slide
// (the widget manager looks, sleeps, and does not look again). A notebook's states take
// that long on a busy machine. This extension is there once the states are.
(() => {
  "use strict";

  const MOST = 30000; // milliseconds; then the slides show what there is

  const restored = (manager) => new Promise((resolve) => {
    if (manager.restoredStatus) return resolve();
    manager.restored.connect(() => resolve());
    setTimeout(resolve, MOST);
  });

  const plugin = {
    id: "normlib-restored:plugin",
    autoStart: true,
    activate: async (app) => restored(await app.widgetManagerPromise.promise),
  };

  // What JupyterLab asks of an extension that is loaded by itself.
  const extensions = (window._JUPYTERLAB = window._JUPYTERLAB || {});
  extensions["normlib-restored"] = {
    init: () => {},
    get: async () => () => ({ __esModule: true, default: plugin }),
  };
})();
