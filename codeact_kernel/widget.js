// The widget under a %codeact cell, behind widget_text.js. Model text reaches the page as text nodes, never as HTML.

const STATES = {
  generating: "thinking",
  awaiting_approval: "waiting for you",
  executing: "running",
  stopping: "stopping",
};
// status -> [icon, word]
const STATUS = {
  thinking: ["", "thinking"],
  writing: ["", "writing"],
  asking: ["?", "waiting for you"],
  queued: ["…", "queued"],
  running: ["", "running"],
  ok: ["✓", "done"],
  error: ["✗", "error"],
  refused: ["⊘", "not run"],
  rejected: ["⊘", "not run"],
  interrupted: ["■", "interrupted"],
  timeout: ["■", "timed out"],
  dead: ["✗", "the kernel died"],
  "sent-back": ["↩", "sent back"],
  answer: ["✓", "answer"],
  done: ["✓", "done"],
  failed: ["✗", "failed"],
  limit: ["■", "stopped at a limit"],
};
const BUSY = new Set(["thinking", "writing", "running"]);
const STALE_MS = 4000; // a button whose message got lost may be pressed again

let widgets = 0;

const seconds = (value) => (value < 60 ? `${value.toFixed(1)} s` : clock(value));
const clock = (value) =>
  value < 60 ? `${Math.floor(value)} s` : `${Math.floor(value / 60)} min ${Math.floor(value % 60)} s`;
const count = (number, word) => `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
const codeBlock = (code) => h("pre", { class: "cak-code" }, h("code", {}, ...colour(code.replace(/\n+$/, ""))));
const chips = (risks) =>
  h("ul", { class: "cak-chips", "aria-label": "What the cell may do" }, ...risks.map((risk) => h("li", {}, risk.words)));

function icon(status) {
  const shape = BUSY.has(status) ? "cak-spinner" : "cak-icon";
  return h("span", { class: shape, "aria-hidden": "true" }, STATUS[status]?.[0] ?? "•");
}

/** The code of what has these states stands below: as a cell, or with the thought above its outputs. */
const BELOW = new Set(["queued", "running", "ok", "error", "timeout", "interrupted", "dead"]);

/** One step as a list item; `asked`: its code stands in the card; `inline`: what ran stands below with its thought. */
function stepItem(step, asked, inline) {
  const below = BELOW.has(step.status);
  const settled = [below && inline ? "" : step.thought, asked || below ? null : step.code];
  const [thought, code] = step.text ? split(step.text) : settled;
  const facts = [`step ${step.index}`, step.notice || (STATUS[step.status]?.[1] ?? step.status)];
  if (step.edited) facts.push("edited by you");
  // While it is asked about, waits or runs, the seconds are those of the writing.
  if (step.seconds && !["asking", "queued", "running"].includes(step.status)) facts.push(seconds(step.seconds));
  if (step.tokens_per_second) facts.push(`${step.tokens_per_second.toFixed(1)} tokens/s`);
  const body = h("div", { class: "cak-body" }, ...prose(thought || ""));
  if (code) body.append(codeBlock(code));
  if (step.risks.length && !asked) body.append(chips(step.risks));
  if (step.approval?.reason && step.approval.decision === "reject")
    body.append(h("p", { class: "cak-why" }, `Not run: ${step.approval.reason}`));
  if (step.summary && !below) body.append(h("pre", { class: "cak-summary", "aria-label": "Output" }, step.summary));
  const head = h("div", { class: "cak-step-head" }, icon(step.status), facts.filter(Boolean).join(" · "));
  return h("li", { class: "cak-step", "data-status": step.status, "data-testid": "codeact-step" }, head, body);
}

/** Where a link relative to the notebook leads, in Jupyter's own pages; null where that is not known. */
function address(element, link) {
  const config = JSON.parse(document.getElementById("jupyter-config-data")?.textContent || "null");
  if (!config?.baseUrl || /^(\/|\w:|\w+:)/.test(link)) return null;
  const panel = element.closest(".jp-NotebookPanel");
  const tab = panel && document.querySelector(`[data-id="${CSS.escape(panel.id)}"]`);
  const here = decodeURI(location.pathname).match(/\/(?:tree|notebooks)\/(.*)$/);
  const path = /^Path: (.*)$/m.exec(tab?.title || "")?.[1] ?? here?.[1];
  if (path === undefined) return null;
  const page = location.pathname.includes("/notebooks/") ? "notebooks" : "lab/tree";
  const encoded = (text) => text.split("/").map(encodeURIComponent).join("/");
  return new URL(encoded(link), new URL(`${config.baseUrl}${page}/${encoded(path)}`, location.href)).href;
}

/** The question whether a cell may run; made once, so that nothing is lost of what a person types. */
function card(question, send, id) {
  const edited = () => editor.value !== question.code;
  const answer = (decision, more = {}) => {
    // A disabled control loses the focus, which would leave the widget with it.
    if (node.contains(document.activeElement)) node.closest(".cak").focus({ preventScroll: true });
    send({ type: "approve", step: question.step, sha256: question.sha256, decision, ...more });
    node.setAttribute("aria-busy", "true");
    controls.forEach((control) => (control.disabled = true));
    setTimeout(() => {
      node.removeAttribute("aria-busy");
      controls.forEach((control) => (control.disabled = false));
      changed();
    }, STALE_MS);
  };
  const run = () => {
    if (!editor.value.trim()) return;
    if (edited()) answer("modify", { code: editor.value });
    else answer("approve");
  };
  const reject = () => answer("reject", { reason: reason.value.trim() });
  const changed = () => {
    editor.rows = Math.min(editor.value.split("\n").length + 1, 24);
    runButton.textContent = edited() ? "Run edited" : "Run";
    runButton.disabled = !editor.value.trim();
    if (allowButton) allowButton.disabled = edited();
  };
  const keys = (event) => {
    if (event.key === "Tab" && !event.shiftKey && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      editor.setRangeText("    ", editor.selectionStart, editor.selectionEnd, "end");
      changed();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      run();
    } else if (event.key === "Escape") {
      event.preventDefault();
      runButton.focus();
    }
  };
  const editor = h("textarea", {
    class: "cak-editor", id: `${id}-code`, spellcheck: "false", autocomplete: "off", autocapitalize: "off",
    wrap: "off", "aria-describedby": `${id}-keys`, "data-testid": "codeact-editor", onkeydown: keys,
    oninput: () => changed(),
  });
  editor.value = question.code;
  const runButton = button("Run", "cak-primary", run, { "data-testid": "codeact-run" });
  const kinds = question.allowable;
  const allowButton = kinds.length
    ? button(`Allow ${kinds.join(", ")} for this episode`, "", () => answer("approve", { allow: true }), {
        title: "Runs this cell, and later ones with the same risks without asking",
        "data-testid": "codeact-allow",
      })
    : null;
  const reason = h("input", {
    class: "cak-reason", type: "text", id: `${id}-reason`, placeholder: "Why not? The model reads it.",
    autocomplete: "off", "data-testid": "codeact-reason",
    onkeydown: (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      reject();
    },
  });
  const rejectButton = button("Reject", "", reject, { "data-testid": "codeact-reject" });
  const stopButton = button("Stop", "cak-stop", () => answer("stop"), {
    "aria-label": "Stop the task", "data-testid": "codeact-card-stop",
  });
  const controls = [runButton, allowButton, rejectButton, stopButton, editor, reason].filter(Boolean);
  const unsaved = question.unsaved.map((entry) => `${entry.name} (${entry.reason})`);
  const node = h(
    "div",
    { class: "cak-card", role: "group", "aria-labelledby": `${id}-title`, "data-testid": "codeact-card" },
    h("div", { class: "cak-card-title", id: `${id}-title` }, `May step ${question.step} run?`),
    question.risks.length
      ? h("div", { class: "cak-risks" }, h("span", { class: "cak-why" }, "Asked because the cell"), chips(question.risks))
      : h("p", { class: "cak-why" }, `Asked because ${question.reason}.`),
    unsaved.length ? h("p", { class: "cak-why" }, `Undo will not restore: ${unsaved.join(", ")}.`) : null,
    h("label", { class: "cak-hidden", for: `${id}-code` }, "Code of the cell; you can edit it"),
    editor,
    h("div", { class: "cak-keys", id: `${id}-keys` }, "Ctrl+Enter runs, Esc leaves the editor"),
    h("div", { class: "cak-row" }, runButton, allowButton, stopButton),
    h("div", { class: "cak-row" }, rejectButton,
      h("label", { class: "cak-hidden", for: `${id}-reason` }, "Reason, which the model reads"), reason),
  );
  changed();
  return { node, editor, key: `${question.step} ${question.sha256}` };
}

/** What the model asks the user, and a line to answer it; or whether to wait for a cell, and buttons. */
function replyCard(question, send, id) {
  const reply = (decision, reason) => {
    if (node.contains(document.activeElement)) node.closest(".cak").focus({ preventScroll: true });
    send({ type: "approve", step: question.step, sha256: question.sha256, decision, reason });
    controls.forEach((control) => (control.disabled = true));
    setTimeout(() => controls.forEach((control) => (control.disabled = false)), STALE_MS);
  };
  const editor = h("input", {
    class: "cak-reason", type: "text", id: `${id}-reply`, placeholder: "Your answer", autocomplete: "off",
    "aria-labelledby": `${id}-title`, "data-testid": "codeact-reply",
    onkeydown: (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      reply("reply", editor.value.trim());
    },
  });
  const sendButton = button("Answer", "cak-primary", () => reply("reply", editor.value.trim()), {
    "data-testid": "codeact-reply-send",
  });
  const skipButton = button("Let it decide", "", () => reply("reply", ""), { "data-testid": "codeact-reply-skip" });
  const stopButton = button("Stop", "cak-stop", () => reply("stop", ""), {
    "aria-label": "Stop the task", "data-testid": "codeact-card-stop",
  });
  const choices = question.choices.map((choice) =>
    button(choice, "", () => reply("reply", choice), { "data-testid": `codeact-choice-${choice.toLowerCase()}` }),
  );
  const offered = choices.length ? [...choices, stopButton] : [sendButton, skipButton, stopButton];
  const controls = [editor, ...offered];
  const node = h(
    "div",
    { class: "cak-card", role: "group", "aria-labelledby": `${id}-title`, "data-testid": "codeact-card" },
    h("div", { class: "cak-card-title", id: `${id}-title` }, ...prose(question.text)),
    choices.length ? null : editor,
    h("div", { class: "cak-row" }, ...offered),
  );
  return { node, editor: choices[0] ?? editor, key: `${question.step} ${question.sha256}` };
}

/** The figures of a run as one line. */
function facts(run, elapsed) {
  const steps = run.steps.filter((step) => step.status !== "answer").length;
  const last = run.steps.at(-1);
  const tokens = (run.usage?.input || 0) + (run.usage?.output || 0);
  const parts = run.status ? [count(steps, "step"), seconds(elapsed)] : [`step ${last?.index ?? 1}`, clock(elapsed)];
  if (!run.status && last?.tokens_per_second && last.status === "writing")
    parts.push(`${last.tokens_per_second.toFixed(1)} tokens/s`);
  if (tokens) parts.push(count(tokens, "token"));
  return parts.join(" · ");
}

/** Draw one run into `el` and keep it up to date; returns what ends that. */
export function render({ model, el }) {
  const id = `cak-${Date.now().toString(36)}-${++widgets}`;
  const send = (message) => model.send({ v: 1, run: model.get("run").run, ...message });
  let shown = null; // the card
  let open = null; // whether a finished run is unfolded; null: nobody said
  let frame = 0;
  const items = new Map(); // step index -> {key, node}

  const sign = h("span", { class: "cak-sign" });
  const title = h("span", { class: "cak-title", "data-testid": "codeact-title" });
  const figures = h("span", { class: "cak-figures", "data-testid": "codeact-figures" });
  const fold = h("button", {
    type: "button", class: "cak-fold", "aria-expanded": "true", "aria-controls": `${id}-steps`, hidden: true,
    "data-testid": "codeact-fold",
    onclick: () => {
      open = fold.getAttribute("aria-expanded") !== "true";
      draw();
    },
  });
  const stop = button("Stop", "cak-stop", () => {
    send({ type: "stop" });
    stop.disabled = true;
    stop.textContent = "Stopping…";
    setTimeout(() => {
      stop.disabled = false;
      stop.textContent = "Stop";
    }, STALE_MS);
  }, { "aria-label": "Stop the task", "data-testid": "codeact-stop" });
  const episode = h("span", { class: "cak-episode" });
  const list = h("ol", { class: "cak-steps", id: `${id}-steps`, "aria-label": "Steps" });
  const place = h("div", {});
  const notes = h("div", { class: "cak-notes", role: "status" });
  const answer = h("div", { class: "cak-answer", "data-testid": "codeact-answer" });
  const said = h("div", { class: "cak-hidden", "aria-live": "polite" });
  const root = h(
    "section",
    // Jupyter's shortcuts would take the keys of the card: Enter, Escape, and letters in command mode.
    { class: "cak", tabindex: "-1", "data-lm-suppress-shortcuts": "true", "data-testid": "codeact-widget" },
    h("div", { class: "cak-head" }, fold, sign, title, figures, episode, stop),
    notes, list, place, answer, said,
  );

  const elapsed = (run) => Math.max(0, (run.ended ?? Date.now() / 1000) - run.started);
  const tick = () => {
    const run = model.get("run");
    if (run.run) figures.textContent = facts(overlaid(run, model.get("live")), elapsed(run));
  };

  function drawSteps(run, question) {
    const wanted = run.steps.filter((step) => step.status !== "answer");
    const indices = new Set(wanted.map((step) => step.index));
    for (const [index, item] of items) {
      if (indices.has(index)) continue;
      item.node.remove();
      items.delete(index);
    }
    for (const step of wanted) {
      const asked = question?.step === step.index;
      const key = JSON.stringify([step, asked]);
      const had = items.get(step.index);
      if (had?.key === key) continue;
      const node = stepItem(step, asked, run.inline);
      if (had) had.node.replaceWith(node);
      else list.append(node);
      items.set(step.index, { key, node });
    }
  }

  function drawCard(question) {
    const key = question ? `${question.step} ${question.sha256}` : null;
    if (key === (shown?.key ?? null)) return;
    const inside = root.contains(document.activeElement) && document.activeElement !== document.body;
    shown = question ? (question.text ? replyCard : card)(question, send, id) : null;
    place.replaceChildren(...(shown ? [shown.node] : []));
    if (inside) (shown ? shown.editor : root).focus({ preventScroll: true });
  }

  function drawHead(run, state) {
    const over = Boolean(run.status);
    const folded = over && open !== true;
    const lines = (run.status === "done" ? run.answer : `${STATUS[run.status]?.[1] ?? ""}: ${run.cause}`).trim();
    const first = lines.split("\n")[0];
    const whole = over && model.get("show_answer") && lines !== first ? lines : "";
    const status = over ? run.status : state === "awaiting_approval" ? "asking" : "running";
    if (sign.dataset.status !== status) {
      sign.dataset.status = status;
      sign.replaceChildren(icon(status));
    }
    const writing = state === "generating" && run.steps.at(-1)?.status === "writing";
    const words = over ? (whole ? "done" : first) : writing ? "writing" : STATES[state] || "starting";
    if (title.dataset.words !== words) {
      title.dataset.words = words;
      const spoken = run.status === "done" && !whole ? [h("span", { class: "cak-hidden" }, "done: ")] : [];
      title.replaceChildren(...spoken, ...(over ? inline(words) : [words]));
      title.title = over ? words : "";
    }
    fold.hidden = !over;
    fold.setAttribute("aria-expanded", String(!folded));
    fold.setAttribute("aria-label", folded ? "Show the steps" : "Hide the steps");
    fold.textContent = folded ? "▸" : "▾";
    list.hidden = folded;
    stop.hidden = over || Boolean(shown);
    root.setAttribute("aria-label", `CodeAct: ${run.task.slice(0, 100)}`);
    root.dataset.state = over ? run.status : state;
    const speech = over ? `CodeAct: ${STATUS[status]?.[1] ?? status}` : shown ? "CodeAct waits for you" : "";
    if (said.textContent !== speech) said.textContent = speech;
    if (answer.dataset.text !== whole) {
      answer.dataset.text = whole;
      answer.replaceChildren(...prose(whole));
    }
  }

  function draw() {
    frame = 0;
    const run = model.get("run");
    if (!run.run) return;
    const question = run.status ? null : model.get("question");
    drawCard(question);
    const present = overlaid(run, model.get("live"));
    drawSteps(present, question);
    drawHead(present, model.get("state"));
    notes.replaceChildren(...model.get("notices").map((sentence) => h("p", {}, sentence)));
    const path = run.episode || "";
    if (episode.dataset.path !== path && root.isConnected) {
      episode.dataset.path = path;
      const href = path && address(root, path);
      episode.replaceChildren(href ? h("a", { href, target: "_blank", rel: "noopener" }, "episode") : path);
    }
    tick();
  }

  const later = () => (frame ||= requestAnimationFrame(draw));
  const watched = ["run", "live", "question", "state", "notices", "show_answer"];
  for (const name of watched) model.on(`change:${name}`, later);
  const timer = setInterval(tick, 500);
  el.replaceChildren(root);
  draw();
  later();
  send({ type: "ready" });
  return () => {
    clearInterval(timer);
    cancelAnimationFrame(frame);
    for (const name of watched) model.off(`change:${name}`, later);
  };
}

/** The run with what came since of the step that is being written. */
function overlaid(run, live) {
  if (!live) return run;
  return { ...run, steps: run.steps.map((step) => (step.index === live.index ? { ...step, ...live } : step)) };
}

export default { render };
