// Spectrogram before, after, and what changed, of any two points.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const SHOWN_DB = 80; // from the loudest down: what is under it is masked by the rest
  const CHANGE_DB = 12;

  function inWords(a, b, before, after, centres_hz) {
    const found = stemfx.spectralChange(before, after);
    if (!found) return "Both are silent.";
    const { change, hz } = stemfx.said;
    const at = ({ band }) => hz(Number(centres_hz[band].toPrecision(2))); // a band is 7 % wide
    if (Math.max(Math.abs(found.cut.change_db), Math.abs(found.boost.change_db)) < 0.25)
      return `From ${a.label} to ${b.label}: no band changes by more than 0.25 dB on the whole.`;
    return `From ${a.label} to ${b.label}, on the whole: least around ${at(found.cut)} (${change(found.cut.change_db)}), ` +
      `most around ${at(found.boost)} (${change(found.boost.change_db)}).`;
  }

  async function drawPair(element, data, page, a, b, kept) {
    const [before, after] = await Promise.all([a, b].map((point) => stemfx.decode.spectrogram(point, data.picture)));
    const words = await stemfx.inTurn(() => inWords(a, b, before, after, data.picture.bands_hz));
    if (!element.isConnected) return;
    const loudest = Math.max(stemfx.most(before.level_db), stemfx.most(after.level_db));
    const top_db = Math.max(-60, Math.ceil(loudest / 10) * 10);
    const range = [top_db - SHOWN_DB, top_db];
    const dbfs = (x) => `${stemfx.said.level(x, 0)} dB`;
    const maps = [
      [`Before: ${a.label}`, "level", () => stemfx.levelMap(before), range, dbfs, 130],
      [`After: ${b.label}`, "level", () => stemfx.levelMap(after), range, dbfs, 130],
      ["After less before", "change", () => stemfx.change(before, after, range[0]), [-CHANGE_DB, CHANGE_DB],
        (x) => stemfx.said.change(x, 0), 170],
    ];
    const time = stemfx.timeOf([a, b], data, page);
    element.append(stemfx.dom.el("p", { class: "pic-words" }, words), ...[time.note].filter(Boolean));
    for (const [name, kind, map, span, unit, height] of maps) {
      const place = stemfx.dom.el("div");
      element.append(stemfx.dom.el("h4", { class: "pic-name" }, name), place);
      const label = kind === "change" ? `Change of the spectrum. ${words}` : `Spectrogram of ${name}`;
      stemfx.drawInTurn(kept, place, () => stemfx.heat(place, {
        page: time.page, length_s: time.length_s, data, map: map(), kind, range: span, unit, label, height,
      }));
    }
  }

  (stemfx.pictures ??= []).push({
    id: "spectrograms",
    title: "Spectrum before and after",
    help: "Time runs to the right, low to high from bottom to top. In the lowest picture red got louder, blue " +
      "softer, the colour of the ground stayed as it was, grey is silence: a good step colours only what it was meant for.",
    wants: (data) => stemfx.pictured(data).length > 0,
    draw: (element, data, page) => {
      const points = stemfx.pointsById(data);
      const shown = stemfx.pictured(data);
      const steps = stemfx.picturedSteps(data);
      const kept = stemfx.keeper();
      let pair = steps.length ? [steps[0].before, steps[0].after] : [shown[0].id, shown[shown.length - 1].id];
      const chosen = (next) => {
        pair = next;
        show();
      };
      const places = shown.map((point) => [point.id, point.label]);
      const step = stemfx.chooser("Step",
        [["", "any two points"], ...steps.map((each, k) => [String(k), points.get(each.after).label])], "0",
        (k) => { if (k) chosen([steps[k].before, steps[k].after]); });
      const before = stemfx.chooser("Before", places, pair[0], (id) => chosen([id, pair[1]]));
      const after = stemfx.chooser("After", places, pair[1], (id) => chosen([pair[0], id]));
      const compare = stemfx.dom.button("Compare by ear", () => page.select(...pair));
      const area = stemfx.dom.el("div");
      element.append(stemfx.dom.el("div", { class: "pic-bar" }, steps.length ? step : null, before, after, compare), area);
      const show = () => {
        kept.end();
        const k = steps.findIndex((each) => each.before === pair[0] && each.after === pair[1]);
        step.set(k < 0 ? "" : String(k));
        before.set(pair[0]);
        after.set(pair[1]);
        compare.hidden = !pair.every((id) => points.get(id).n_segments);
        const inner = stemfx.dom.el("div");
        area.replaceChildren(inner);
        stemfx.orSaid(inner, drawPair(inner, data, page, points.get(pair[0]), points.get(pair[1]), kept));
      };
      show();
      return { destroy: kept.end };
    },
  });
})();
