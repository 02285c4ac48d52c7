// The page's side of Picture: shows frames, says how many pixels it has, reports
// where a pointer presses, names the controls, and says so when the kernel is gone.

const MOST_UNDER_WAY = 2; // touches sent and not yet answered
const MOST_KEPT = 30; // frames of one figure, each of some 0.1 MB
const SPOKEN_AFTER = 500; // ms after the last move
const PATIENCE = 3000; // ms without an answer
const ON_SLIDES = Boolean(document.querySelector(".reveal"));
const AGAIN = ON_SLIDES ? "Load the page again" : "Run all cells";
const GONE = `The kernel is gone, so this figure no longer answers. ${AGAIN} to bring it back.`;
const CUT = "The connection to the kernel is lost. The figure answers again once it is back.";
const BUSY = "The kernel is busy. The figure answers when what runs is done or interrupted.";
const UNFINISHED = "Not finished: the picture shows the work so far.";
const ENDED = ["dead", "restarting", "autorestarting", "terminating"];

const make = (tag, name, parent, attributes = {}) => {
  const node = document.createElement(tag);
  node.className = name;
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  parent.append(node);
  return node;
};

// ---- the picture -------------------------------------------------------------

// Such an address is loaded in a quarter of the time that a blob's takes.
function addressOf(png) {
  const bytes = new Uint8Array(png.buffer, png.byteOffset, png.byteLength);
  let text = "";
  for (let k = 0; k < bytes.length; k += 8192) {
    text += String.fromCharCode(...bytes.subarray(k, k + 8192));
  }
  return `data:image/png;base64,${btoa(text)}`;
}

// What the page shows: the frame of the setting at which the controls stand, if it has
// it, or else the last that came. The kernel draws some before they are asked for.
function followFrames(model) {
  const kept = new Map(); // frames by setting
  const asked = new Set(); // for which neighbours of which settings
  const controls = new Map(); // their models by name
  const listeners = [];
  let shown = null;

  const show = (frame) => {
    if (frame === shown) return;
    shown = frame;
    listeners.forEach((listener) => listener(frame));
  };
  const forget = () => {
    kept.clear();
    asked.clear();
  };
  const keep = (png, sentence, at) => {
    const frame = { address: addressOf(png), sentence };
    if (Object.keys(at).length === 0) {
      forget(); // something is wrong or unfinished
      return frame;
    }
    if (kept.size >= MOST_KEPT) forget();
    frame.loaded = new Image(); // so that it shows at once
    frame.loaded.src = frame.address;
    kept.set(settingOf(Object.entries(at)), frame);
    return frame;
  };
  const present = () =>
    settingOf([...controls].map(([name, one]) => [name, one.get("index") ?? one.get("value")]));

  const receive = () => {
    const came = keep(model.get("png"), model.get("sentence"), model.get("at"));
    show(kept.get(present()) || came);
  };
  const onMessage = ({ kind, sentence, at }, [png]) => {
    if (kind === "ahead") keep(png, sentence, at);
  };
  receive();
  model.on("change:frame", receive);
  model.on("msg:custom", onMessage);
  for (const [name, id] of Object.entries(model.get("controls"))) {
    model.widget_manager?.get_model?.(id)?.then((control) => controls.set(name, control));
  }
  return {
    hear(listener) {
      listeners.push(listener);
      listener(shown);
    },
    say(sentence) { show({ ...shown, sentence }); },
    forget,
    // Show the present setting, if its frame is here.
    follow() { show(kept.get(present()) || shown); },
    // Ask for the setting `by` steps along a control.
    ask(control, by) {
      const link = `${present()} ${control} ${by}`;
      if (!controls.has(control) || asked.has(link)) return;
      asked.add(link);
      model.send({ kind: "ahead", control, by });
    },
    end() { model.off("msg:custom", onMessage); },
  };
}

// One word for a setting. A number that the page computed may differ in its last digit.
function settingOf(states) {
  const plain = (state) => (typeof state === "number" ? Number(state.toPrecision(10)) : state);
  return JSON.stringify(states.map(([name, state]) => [name, plain(state)]).sort());
}

function showFrames(model, frames, stage) {
  const image = make("img", "normlib-image", stage, { draggable: "false", alt: "" });
  frames.hear(({ address, sentence }) => {
    if (image.getAttribute("src") !== address) image.src = address;
    image.alt = sentence;
  });
  // Only long work sends frames that nobody asked for.
  const answer = () => {
    const frame = model.get("frame");
    if (model.get("progress") >= 0) {
      image.decode().catch(() => {}).then(() => model.send({ kind: "shown", frame }));
    }
  };
  model.on("change:frame", answer);
}

// A reader who moves by keyboard goes on in the same direction, or comes back.
function askAhead(model, frames, row) {
  const names = Object.keys(model.get("controls"));
  const ask = (target, steps) => {
    const name = names[[...row.children].findIndex((part) => part.contains(target))];
    steps.forEach((by) => frames.ask(name, by));
  };
  row.addEventListener("focusin", ({ target }) => {
    if (target.matches(".noUi-handle:focus-visible")) ask(target, [1, -1]);
  });
  row.addEventListener("keydown", () => frames.follow()); // the slider has moved by now
  row.addEventListener("keyup", ({ target, key }) => {
    const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[key];
    if (by && target.matches(".noUi-handle")) ask(target, [by]);
  });
}

function reportRatio(model, frames, stage) {
  let told = null;
  const report = () => {
    const shown = stage.getBoundingClientRect().width / model.get("width");
    const exact = Math.min(2, Math.max(1, devicePixelRatio * (shown > 1 ? shown : 1)));
    const ratio = Math.ceil(exact * 4 - 0.05) / 4; // in steps: each needs a new drawing
    if (ratio === told) return;
    told = ratio;
    frames.forget();
    model.send({ kind: "page", ratio });
  };
  const size = new ResizeObserver(report);
  size.observe(stage);
  window.addEventListener("resize", report); // also when the page is zoomed
  let screen = null; // of another sharpness, to which the window is moved as it is
  const onScreen = () => {
    screen?.removeEventListener("change", onScreen);
    screen = matchMedia(`(resolution: ${devicePixelRatio}dppx)`);
    screen.addEventListener("change", onScreen);
    report();
  };
  onScreen();
  return () => {
    size.disconnect();
    window.removeEventListener("resize", report);
    screen.removeEventListener("change", onScreen);
  };
}

// ---- touch -------------------------------------------------------------------

function reportTouch(model, stage, notices) {
  const queue = [];
  let sent = model.get("handled");
  let timer = null;

  const pump = () => {
    while (queue.length && sent - model.get("handled") < MOST_UNDER_WAY) {
      sent = Math.max(sent, model.get("handled")) + 1; // another view may be ahead
      model.send({ kind: "touch", number: sent, ...queue.shift() });
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (sent > model.get("handled")) notices.say("busy", BUSY);
      }, PATIENCE);
    }
  };
  const add = (event, phase) => {
    const box = stage.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width;
    const y = (event.clientY - box.top) / box.height;
    const last = queue[queue.length - 1];
    // Only the last position counts of those that wait.
    if (last && last.phase === "drag" && phase === "drag") queue.pop();
    queue.push({ phase, x, y });
    pump();
  };
  model.on("change:handled", () => {
    notices.say("busy", "");
    pump();
  });

  let spots = [];
  const place = () => {
    spots.forEach((spot) => spot.remove());
    const all = model.get("spots");
    spots = all.map(({ left, top, width, height, cursor }) => {
      const spot = make("div", `normlib-spot normlib-spot-${cursor}`, stage);
      // The last of those in one place lies on top, and answers for them all.
      const here = all.filter((other) => other.left === left && other.top === top);
      spot.classList.toggle("normlib-spot-sideways", here.every((s) => s.sideways));
      Object.assign(spot.style, {
        left: `${100 * left}%`,
        top: `${100 * top}%`,
        width: `${100 * width}%`,
        height: `${100 * height}%`,
      });
      let held = null;
      spot.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || held !== null) return;
        event.preventDefault(); // no selection, no dragging of the image
        spot.setPointerCapture(event.pointerId);
        held = event.pointerId;
        spot.classList.add("normlib-held");
        add(event, "press");
      });
      spot.addEventListener("pointermove", (event) => {
        if (event.pointerId === held) add(event, "drag");
      });
      const end = (event) => {
        if (event.pointerId !== held) return;
        held = null;
        spot.classList.remove("normlib-held");
        if (event.type === "pointerup") add(event, "drag");
        // Cancelled: it was the page that the finger wanted to move.
        add(event, event.type === "pointercancel" ? "cancel" : "release");
      };
      spot.addEventListener("pointerup", end);
      spot.addEventListener("pointercancel", end);
      spot.addEventListener("lostpointercapture", end); // to a menu, say
      return spot;
    });
  };
  place();
  model.on("change:spots", place);
}

// ---- words -------------------------------------------------------------------

function showWords(model, frames, el) {
  const hint = make("p", "normlib-hint", el);
  const visible = make("p", "normlib-sentence", el);
  const spoken = make("div", "normlib-spoken", el, {
    role: "status",
    "aria-live": "polite",
  });
  let timer = null;
  // A line ends before a number, not between it and its %, nor within 1e-12.
  const whole = (words) => words.replaceAll(" %", "\u00a0%").replaceAll("e-", "e-\u2060");
  frames.hear(({ sentence }) => {
    const first = !visible.textContent; // the first is no news
    if (visible.textContent === whole(sentence)) return; // nor is a sharper frame
    visible.textContent = whole(sentence);
    if (first) return;
    clearTimeout(timer);
    timer = setTimeout(() => {
      if (spoken.textContent !== visible.textContent) {
        spoken.textContent = visible.textContent;
      }
    }, SPOKEN_AFTER);
  });
  const help = () => {
    hint.textContent = [...new Set(model.get("spots").map((s) => s.hint))]
      .filter(Boolean)
      .join(" ");
    hint.hidden = !hint.textContent;
  };
  help();
  model.on("change:spots", help);
  // What stands below keeps its place when the sentence gets shorter. A slide has to
  // spare the room.
  let [width, most] = [0, 0];
  const room = new ResizeObserver(() => {
    if (visible.clientWidth !== width) {
      [width, most] = [visible.clientWidth, 0];
      visible.style.minHeight = "";
    }
    most = Math.max(most, visible.clientHeight);
    visible.style.minHeight = `${most}px`;
  });
  if (!ON_SLIDES) room.observe(visible);
  return () => {
    clearTimeout(timer);
    room.disconnect();
  };
}

function showProgress(model, stage) {
  const work = make("div", "normlib-work", stage);
  const bar = make("progress", "", work, { max: 1, "aria-label": "Computing" });
  const stop = make("button", "jupyter-button widget-button", work, { type: "button" });
  stop.textContent = "Stop";
  stop.addEventListener("click", () => model.send({ kind: "stop" }));
  const update = () => {
    const done = model.get("progress");
    work.hidden = done < 0;
    if (done >= 0) bar.value = done;
  };
  update();
  model.on("change:progress", update);
}

// ---- the kernel --------------------------------------------------------------

// One line under the sentence; what is worse is said first.
function makeNotices(el, figure) {
  const line = make("p", "normlib-notice", el, { role: "alert", hidden: "" });
  const said = {};
  return {
    say(kind, words) {
      said[kind] = words;
      const now = said.gone || said.cut || said.busy || "";
      if (line.textContent !== now) line.textContent = now;
      line.hidden = !now;
      if (!said.gone) return;
      const root = figure();
      root?.classList.add("normlib-is-gone");
      const row = root?.querySelector(".normlib-controls");
      row?.querySelector(".fa-pause")?.closest("button").click(); // what plays
      if (row) row.inert = true;
    },
  };
}

function watchKernel(model, frames, notices, figure) {
  const gone = () => {
    if (model.get("progress") >= 0) {
      model.set({ progress: -1 });
      frames.say(UNFINISHED);
    }
    notices.say("gone", GONE);
  };
  const kernel = model.widget_manager?.kernel;
  const onStatus = (_, status) => {
    if (ENDED.includes(status)) gone();
    if (status === "idle") notices.say("busy", "");
  };
  const onConnection = (_, status) =>
    notices.say("cut", status === "connected" ? "" : CUT);
  kernel?.statusChanged?.connect(onStatus);
  kernel?.connectionStatusChanged?.connect(onConnection);
  kernel?.disposed?.connect(gone); // shut down, or changed for another
  // Every page marks the widgets of a kernel that is gone.
  const onLive = () =>
    setTimeout(() => {
      if (figure()?.classList.contains("jupyter-widgets-disconnected")) gone();
    });
  model.on("comm_live_update", onLive);
  model.on("comm:close", gone);
  return () => {
    kernel?.statusChanged?.disconnect(onStatus);
    kernel?.connectionStatusChanged?.disconnect(onConnection);
    kernel?.disposed?.disconnect(gone);
  };
}

// ---- names for a screen reader -------------------------------------------------

const set = (node, name, value) => {
  if (node && node.getAttribute(name) !== value) node.setAttribute(name, value);
};
const PLAY = [
  ["fa-play", "Play"],
  ["fa-pause", "Pause"],
  ["fa-stop", "Stop"],
  ["fa-repeat", "Repeat"],
  ["fa-retweet", "Repeat"],
];

// A number as the sentences write it: 1e-5 and 100, where ipywidgets has 0.00001 and 1e+2.
function writePlainly(readout) {
  const text = readout?.textContent || "";
  if (readout === document.activeElement) return; // being typed
  if (/^0\.0000\d+$/.test(text)) readout.textContent = Number(text).toExponential();
  if (/e\+/.test(text)) readout.textContent = String(Number(text));
}

// ipywidgets gives its controls no names; what stands beside them gives them.
function nameControls(row) {
  for (const control of row.querySelectorAll(".widget-inline-hbox, .widget-toggle-buttons, .widget-play")) {
    const label = control.querySelector(".widget-label")?.textContent.trim() || "";
    const readout = control.querySelector(".widget-readout");
    writePlainly(readout);
    for (const handle of control.querySelectorAll(".noUi-handle")) {
      set(handle, "aria-label", label || "value");
      if (readout) set(handle, "aria-valuetext", readout.textContent);
    }
    if (readout?.isContentEditable) {
      set(readout, "role", "textbox");
      set(readout, "aria-label", `${label || "value"}, as a number`);
    }
    if (control.matches(".widget-toggle-buttons")) {
      set(control, "role", "group");
      set(control, "aria-label", label || "choice");
    }
    for (const button of control.querySelectorAll(".widget-toggle-button")) {
      set(button, "aria-pressed", String(button.classList.contains("mod-active")));
    }
    if (control.matches(".widget-play")) {
      set(control, "role", "group");
      set(control, "aria-label", "Play");
      for (const button of control.querySelectorAll("button")) {
        const icon = PLAY.find(([name]) => button.querySelector(`.${name}`));
        set(button, "aria-label", icon ? icon[1] : button.title || "Play");
      }
    }
  }
  for (const select of row.querySelectorAll("select, input[type=text]")) {
    const label = select.closest(".widget-inline-hbox")?.querySelector(".widget-label");
    if (label) set(select, "aria-label", label.textContent.trim());
  }
}

function watchControls(model, notices, figure) {
  const row = figure.querySelector(".normlib-controls");
  if (!row) return () => {};
  nameControls(row);
  let timer = null;
  const expectFrame = () => {
    const before = model.get("frame");
    clearTimeout(timer);
    timer = setTimeout(() => {
      const busy = model.widget_manager?.kernel?.status === "busy";
      if (busy && model.get("frame") === before) notices.say("busy", BUSY);
    }, PATIENCE);
  };
  model.on("change:frame", () => notices.say("busy", ""));
  const watch = new MutationObserver(() => {
    nameControls(row);
    expectFrame();
  });
  watch.observe(row, {
    subtree: true,
    childList: true,
    characterData: true,
    attributeFilter: ["class", "aria-valuetext"],
  });
  return () => {
    watch.disconnect();
    clearTimeout(timer);
  };
}

// ---- keys ----------------------------------------------------------------------

// Notebook 7 gives keys to its shortcuts before a slider or a button can take them;
// where this attribute stands it does not.
const MOVES = /^(Arrow|Home|End|Page)/;
const PRESSES = /^(Enter| )$/;

function keepKeys({ target, key, shiftKey, ctrlKey, altKey, metaKey }) {
  if (!target.closest?.(".normlib-live")) return;
  const ours = target.matches(".noUi-handle, select") ? MOVES : PRESSES;
  const plain = !(shiftKey || ctrlKey || altKey || metaKey);
  const control = target.matches(".noUi-handle, select, button, input");
  target.toggleAttribute("data-lm-suppress-shortcuts", control && plain && ours.test(key));
}
// The same function of another figure's module is another listener: one is enough.
if (!window.normlibKeepsKeys) {
  window.normlibKeepsKeys = true;
  window.addEventListener("keydown", keepKeys, true);
}

// ---- all together --------------------------------------------------------------

// Outside Jupyter's own pages no style rule reaches the static figure before this one.
function hideStatic(el) {
  if (el.closest(".jp-OutputArea")) return;
  const before = [...document.querySelectorAll(".normlib-static")].filter(
    (part) => part.compareDocumentPosition(el) & Node.DOCUMENT_POSITION_FOLLOWING,
  );
  if (before.length) before[before.length - 1].hidden = true;
}

// By frames, not by its size: what is far from view has none, and is read out all the same.
function whenAttached(el, act) {
  let frame = null;
  const look = () => {
    if (el.isConnected) act();
    else frame = requestAnimationFrame(look);
  };
  look();
  return () => cancelAnimationFrame(frame);
}

function render({ model, el }) {
  el.classList.add("normlib-picture");
  const figure = () => el.closest(".normlib-figure");
  const scroll = make("div", "normlib-scroll", el);
  const stage = make("div", "normlib-stage", scroll);
  const [width, height] = [model.get("width"), model.get("height")];
  stage.style.setProperty("--width", `${width}px`);
  stage.style.setProperty("--aspect", String(width / height));

  const frames = followFrames(model);
  showFrames(model, frames, stage);
  showProgress(model, stage);
  const undo = [frames.end, showWords(model, frames, el)];
  const notices = makeNotices(el, figure);
  reportTouch(model, stage, notices);
  undo.push(watchKernel(model, frames, notices, figure));
  undo.push(
    whenAttached(el, () => {
      hideStatic(el);
      undo.push(reportRatio(model, frames, stage));
      if (figure()) {
        undo.push(watchControls(model, notices, figure()));
        askAhead(model, frames, figure().querySelector(".normlib-controls"));
      }
      const room = new ResizeObserver(() => {
        // What scrolls must be reachable by keyboard.
        if (scroll.scrollWidth > scroll.clientWidth + 1) {
          scroll.setAttribute("tabindex", "0");
          scroll.setAttribute("role", "group");
          scroll.setAttribute("aria-label", "picture, scrolls sideways");
        } else {
          for (const name of ["tabindex", "role", "aria-label"]) {
            scroll.removeAttribute(name);
          }
        }
      });
      room.observe(scroll);
      undo.push(() => room.disconnect());
    }),
  );
  return () => undo.forEach((act) => act());
}

export default { render };
