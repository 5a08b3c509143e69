// The keyboard: a key for everything that is done often, and the list of them.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, say } = stemfx.dom;

  const KEYS = [
    ["Space", "play or pause"],
    ["← →", `${stemfx.PageControl.STEP_S} s back or on`],
    ["Shift ← →", "a bar back or on"],
    ["Home End", "to the start or the end"],
    ["1 … 9", "solo lane 1 … 9"],
    ["↑ ↓", "to the lane above or below"],
    ["m s", "mute, solo this lane"],
    ["x", "switch A and B"],
    ["l", "loop on or off"],
    ["i o", "loop starts, ends here"],
    ["+ − 0", "zoom in, out, all of the song"],
    ["?", "this list"],
  ];

  function keyList() {
    const dialog = el(
      "dialog",
      { class: "keys", "aria-labelledby": "keys-heading" },
      el("h2", { id: "keys-heading", text: "Keys" }),
      el(
        "dl",
        {},
        ...KEYS.map(([keys, what]) =>
          el(
            "div",
            {},
            el("dt", {}, ...keys.split(" ").map((key) => el("kbd", { text: key }))),
            el("dd", { text: what }),
          ),
        ),
      ),
      button("Close", () => dialog.close()),
    );
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    document.body.append(dialog);
    document.getElementById("keys").addEventListener("click", () => dialog.showModal());
    return dialog;
  }

  // An element that has a use of its own for a key keeps it.
  function keeps(target, key) {
    if (
      target.closest("textarea, select, [contenteditable]") ||
      target.closest("input:not([type=range], [type=radio], [type=checkbox])")
    )
      return true;
    if (target.closest("input[type=range], input[type=radio]"))
      return /^(Arrow|Home|End|Page)/.test(key) || (key === " " && target.type === "radio");
    return key === " " && target.closest("button, a, summary, input, label") !== null;
  }

  stemfx.keyboard = (page, lanes) => {
    const dialog = keyList();
    const { listening } = page;
    const onCurrent = (fn) => () =>
      lanes.current
        ? fn(lanes.current.lane)
        : say("Which lane? Click on one, or press Tab until you are in it.");
    const seekBy = (direction) => (event) => page.step(direction, { byBars: event.shiftKey });
    const actions = {
      " ": () => page.toggle(),
      ArrowLeft: seekBy(-1),
      ArrowRight: seekBy(1),
      ArrowUp: () => lanes.step(-1),
      ArrowDown: () => lanes.step(1),
      Home: () => page.seek(0),
      End: () => page.seek(page.data.duration_s),
      m: onCurrent((lane) => {
        listening.change(lane.id, { mute: !lane.mute });
        say(`${lane.label} ${lane.mute ? "muted" : "not muted"}`);
      }),
      s: onCurrent((lane) => {
        listening.solo(lane.id);
        say(`${lane.label} ${lane.solo ? "solo" : "not solo"}`);
      }),
      x: () => page.ab.switch(),
      l: () => page.toggleLoop(),
      i: () => page.loopEnd("start_s"),
      o: () => page.loopEnd("end_s"),
      "+": () => lanes.zoom(1.6),
      "=": () => lanes.zoom(1.6),
      "-": () => lanes.zoom(1 / 1.6),
      0: () => lanes.zoom(0),
      "?": () => dialog.showModal(),
    };
    // Space after a click on a button means the song; after Tab it means the button.
    let isByPointer = false;
    document.addEventListener("pointerdown", () => (isByPointer = true), true);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Tab") isByPointer = false;
      if (
        isByPointer &&
        event.key === " " &&
        event.target.closest?.("button, input[type=radio], input[type=checkbox]")
      )
        document.activeElement.blur();
      if (event.defaultPrevented || event.isComposing || event.ctrlKey || event.altKey || event.metaKey)
        return;
      if (dialog.open || keeps(document.activeElement ?? document.body, event.key)) return;
      const { key } = event;
      if ((key === "ArrowUp" || key === "ArrowDown") && !event.target.closest?.(".lane")) return; // they scroll the page
      const row = /^[1-9]$/.test(key) ? lanes.rows[key - 1] : null;
      const action = row
        ? () => {
            listening.solo(row.lane.id);
            say(`${row.lane.label} ${row.lane.solo ? "solo" : "not solo"}`);
          }
        : (actions[key] ?? actions[key.toLowerCase()]);
      if (!action || (event.repeat && !key.startsWith("Arrow"))) return;
      event.preventDefault();
      action(event);
    });
  };
})();
