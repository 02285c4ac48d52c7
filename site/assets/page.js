"use strict";
// What a page does: questions answer, decks turn, figures show what there is to notice,
// and the report counts. Answers stay in this browser.

const NOTEBOOK = document.body.dataset.notebook;
const STORE = `normlib-${NOTEBOOK}`;
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

function stored() {
  try {
    return JSON.parse(localStorage.getItem(STORE)) ?? {};
  } catch {
    return {}; // A private window or a file: nothing is kept from the last time.
  }
}

let kept = stored();

function keep() {
  kept = { ...kept, ...stored() }; // the page may be open in two windows
  try {
    localStorage.setItem(STORE, JSON.stringify(kept));
  } catch {
    // As above.
  }
}

// ---- questions and cards ------------------------------------------------------

const nameOf = (question) => `${question.dataset.kind} ${question.dataset.key}`;

function answerOf(question) {
  const bytes = Uint8Array.from(atob(question.dataset.answer), (c) => c.charCodeAt(0));
  return JSON.parse(new TextDecoder().decode(bytes));
}

function commit(question, choice) {
  const { right, replies } = answerOf(question);
  all("button", question).forEach((button, k) => {
    button.setAttribute("aria-disabled", "true");
    if (k === right) button.dataset.mark = "right";
    else if (k === choice) button.dataset.mark = "wrong";
    if (k === choice) button.setAttribute("aria-pressed", "true");
  });
  question.querySelector(".reply").innerHTML = replies[choice];
  question.dataset.chosen = choice;
  kept[nameOf(question)] ??= choice; // the first answer counts
  for (const figure of all("figure.live")) {
    if (question.dataset.kind === "prediction" &&
        figure.dataset.question === question.dataset.key) uncover(figure);
  }
  report();
}

for (const question of all(".question")) {
  all("button", question).forEach((button, k) =>
    button.addEventListener("click", () => {
      if (question.dataset.chosen !== undefined) return;
      commit(question, k);
      keep();
      question.dispatchEvent(new Event("answered", { bubbles: true }));
    }),
  );
}

// ---- decks: one card at a time ---------------------------------------------------

for (const deck of all(".deck")) {
  const cards = all(".question", deck);
  if ("shuffled" in deck.dataset) {
    for (let k = cards.length - 1; k > 0; k--) {
      const other = Math.floor(Math.random() * (k + 1));
      [cards[k], cards[other]] = [cards[other], cards[k]];
    }
  }
  const row = deck.querySelector(".turn");
  const [back, on] = all("button", row);
  let at = 0;

  const show = () => {
    cards.forEach((card, k) => (card.hidden = k !== at));
    back.setAttribute("aria-disabled", at === 0);
    on.setAttribute("aria-disabled", at === cards.length - 1);
    const done = cards.filter((card) => card.dataset.chosen !== undefined);
    const right = done.filter((card) => answerOf(card).right === +card.dataset.chosen);
    row.querySelector("span").textContent =
      `Card ${at + 1} of ${cards.length}. ${right.length} right of ${done.length} answered.`;
  };
  const turn = (steps) => {
    at = Math.min(Math.max(at + steps, 0), cards.length - 1);
    show();
  };
  back.addEventListener("click", () => turn(-1));
  on.addEventListener("click", () => turn(1));
  deck.addEventListener("answered", show);
  deck.show = show;
  row.hidden = false;
}

// ---- figures -----------------------------------------------------------------------

function uncover(figure) {
  figure.querySelector(".wait")?.remove();
  const notices = figure.querySelector(".notices");
  if (notices) notices.hidden = false;
}

for (const figure of all("figure.live")) {
  const image = figure.querySelector("img");
  const sentence = figure.querySelector(".sentence");
  const controls = figure.querySelector(".controls");
  const buttons = all(".notices button", figure);
  let wanted = null;

  async function go(button) {
    wanted = button;
    const { picture, sentence: words, controls: setting } = button.dataset;
    const next = new Image();
    next.src = picture;
    try {
      await next.decode();
    } catch {
      if (wanted === button) sentence.textContent = "This picture could not be loaded.";
      return;
    }
    if (wanted !== button) return; // another was pressed meanwhile
    // Picture, words and button change together.
    image.src = picture;
    image.alt = words;
    sentence.textContent = words;
    controls.innerHTML = setting;
    for (const one of buttons) one.setAttribute("aria-pressed", one === button);
  }
  for (const button of buttons) button.addEventListener("click", () => go(button));

  const notices = figure.querySelector(".notices");
  if (notices && figure.dataset.question) {
    notices.hidden = true;
    const wait = document.createElement("p");
    wait.className = "wait";
    wait.textContent = "What to notice stands here once you have answered above. ";
    const reveal = document.createElement("button");
    reveal.type = "button";
    reveal.textContent = "Show it now";
    reveal.addEventListener("click", () => {
      uncover(figure);
      buttons[0].focus();
    });
    wait.append(reveal);
    notices.before(wait);
  }
}

// ---- the report ----------------------------------------------------------------------

function report() {
  const body = document.querySelector(".report tbody");
  if (!body) return;
  body.closest(".report").hidden = false;
  body.replaceChildren();
  for (const [kind, plural] of [["prediction", "Predictions"], ["card", "True or false"]]) {
    const once = new Map(
      all(`.question[data-kind=${kind}]`).map((question) => [nameOf(question), question]),
    );
    if (!once.size) continue;
    let right = 0, done = 0;
    const rows = [...once].map(([name, question]) => {
      const row = document.createElement("tr");
      const choice = kept[name];
      const options = all("button", question).map((button) => button.innerHTML);
      const isRight = choice === answerOf(question).right;
      const back = question.dataset.back ? `: see ${question.dataset.back}` : "";
      if (choice !== undefined) {
        done += 1;
        right += isRight;
      }
      const cells = [
        question.querySelector(".asked").innerHTML,
        options[choice] ?? "open",
        choice === undefined ? "" : isRight ? "right" : `not right${back}`,
      ];
      for (const cell of cells) row.insertCell().innerHTML = cell;
      return row;
    });
    const head = document.createElement("tr");
    const cell = document.createElement("th");
    cell.colSpan = 3;
    cell.scope = "rowgroup";
    cell.textContent = `${plural}: ${right} right, ${done} of ${once.size} answered`;
    head.append(cell);
    body.append(head, ...rows);
  }
}

document.querySelector(".forget")?.addEventListener("click", () => {
  try {
    localStorage.removeItem(STORE);
  } catch {
    // As above.
  }
  location.reload();
});

// ---- at the start: what was answered before, and what scrolls gets a tab stop ---------

for (const question of all(".question")) {
  const choice = kept[nameOf(question)];
  if (choice !== undefined) commit(question, choice);
}
for (const deck of all(".deck")) deck.show();
report();

function findScrollers() {
  for (const one of all(".scrolls")) {
    if (one.scrollWidth > one.clientWidth + 1) one.tabIndex = 0;
    else one.removeAttribute("tabindex");
  }
}
findScrollers();
addEventListener("resize", findScrollers);
addEventListener("load", findScrollers);
document.addEventListener("toggle", findScrollers, true); // a fold was opened
// Far pictures come after the page, but come: who prints gets all of them.
addEventListener("load", () => {
  for (const image of all("img[loading=lazy]")) image.loading = "eager";
});
