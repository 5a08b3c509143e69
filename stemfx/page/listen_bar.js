// The bar over the lanes: what is listened to, whose beats are shown, zoom.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, button, toggle } = stemfx.dom;

  stemfx.ListenBar = class {
    constructor(page, listening, lanes) {
      this.listening = listening;
      this.radios = listening.choices.map((choice) => {
        const input = el("input", {
          type: "radio",
          name: "listen",
          value: choice.value,
          disabled: !choice.canPlay,
          on: { change: () => listening.listenTo(choice.value) },
        });
        return {
          input,
          label: el(
            "label",
            { class: "pill", title: choice.canPlay ? null : "No sound in this page" },
            input,
            el("span", { text: choice.label }),
          ),
        };
      });
      const tracks = listening.lanes.filter((lane) => lane.kind === "track" && lane.points.length > 1);
      this.before = toggle("Before stages", () => listening.allAt(this.isBefore ? "after" : "before"), {
        title: "All tracks as they were before their stages",
        hidden: !tracks.length,
      });
      this.unsolo = button("Clear solo", () => listening.clearSolo(), { class: "quiet" });
      const grids = lanes.ruler.grids;
      const snap = toggle(
        "Snap",
        () => {
          lanes.ruler.doesSnap = !lanes.ruler.doesSnap;
          snap.pressed(lanes.ruler.doesSnap);
        },
        { title: "Loops begin and end on bars", "aria-label": "Snap loops to bars" },
      );
      const chosen = el(
        "select",
        {
          "aria-label": "Whose beats the ruler shows",
          on: { change: () => lanes.ruler.use(Number(chosen.value)) },
        },
        ...grids.map((grid, i) =>
          el("option", {
            value: i,
            text: `beats of ${grid.source}${lanes.ruler.isOwnTime(grid) ? " (own time)" : ""}`,
          }),
        ),
      );
      chosen.value = grids.indexOf(lanes.ruler.grid);
      this.element = el(
        "div",
        { class: "desk-bar" },
        el(
          "fieldset",
          { class: "listen" },
          el("legend", { text: "Listen to" }),
          ...this.radios.map((radio) => radio.label),
        ),
        this.before,
        this.unsolo,
        el(
          "div",
          { class: "group", role: "group", "aria-label": "View" },
          grids.length > 1 ? chosen : null,
          grids.some((grid) => grid.downbeats_s.length && !lanes.ruler.isOwnTime(grid)) ? snap : null,
          button("−", () => lanes.zoom(1 / 1.6), { "aria-label": "Zoom out", title: "Zoom out (-)" }),
          button("+", () => lanes.zoom(1.6), { "aria-label": "Zoom in", title: "Zoom in (+)" }),
          button("Fit", () => lanes.zoom(0), { title: "All of the song (0)" }),
          button("Taller", () => lanes.taller(), {
            title: "Draw quiet waveforms larger, all by the same factor",
          }),
        ),
      );
    }

    get isBefore() {
      const tracks = this.listening.lanes.filter((lane) => lane.kind === "track" && lane.points.length > 1);
      return tracks.length > 0 && tracks.every((lane) => lane.point === lane.before);
    }

    show() {
      const { listening } = this;
      const isOverridden = listening.ab.isOn || listening.hasSolo;
      for (const { input } of this.radios) input.checked = !isOverridden && input.value === listening.listen;
      this.before.pressed(this.isBefore);
      this.unsolo.hidden = !listening.hasSolo;
    }
  };
})();
