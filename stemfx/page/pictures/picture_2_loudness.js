// Loudness over time of chosen points, with the target; sample peaks with the ceiling.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const ROLES = ["source", "mix", "master"]; // shown until somebody chooses
  const level = (x, digits) => stemfx.said.level(x, digits);

  const metered = new WeakMap();
  // {momentary, shortTerm} of a point, worked out once.
  function metersOf(point) {
    if (!metered.has(point)) metered.set(point, { momentary: stemfx.momentary(point), shortTerm: stemfx.shortTerm(point) });
    return metered.get(point);
  }

  const integrated = (point) => point.lufs ?? stemfx.loudness(point);

  // A recipe may hold a ceiling and no loudness.
  const hasLufs = (target) => Number.isFinite(target?.lufs);

  // The gap to the target as a producer says it.
  function toTarget(point, target) {
    if (integrated(point) === -Infinity) return "–";
    const gap = integrated(point) - target.lufs;
    return Math.abs(gap) < 0.05 ? "on it" : `${level(Math.abs(gap))} LU ${gap > 0 ? "above" : "below"}`;
  }

  const tableOf = (shown, target) => stemfx.table("Loudness and peaks",
    ["Point", "Integrated LUFS", "Short-term at most", "Momentary at most", "True peak dBTP", ...(hasLufs(target) ? ["Target"] : [])],
    shown.map((point) => [point.label, level(integrated(point)), level(stemfx.most(metersOf(point).shortTerm)),
      level(stemfx.most(metersOf(point).momentary)), level(point.true_peak_dbtp), ...(hasLufs(target) ? [toTarget(point, target)] : [])]));

  const inWords = (shown, target) => `${shown.map((point) => `${point.label}: ${level(integrated(point))} LUFS`).join(", ")}` +
    `${hasLufs(target) ? `; target ${level(target.lufs)} LUFS` : ""}.`;

  // Where the loud passages are: 36 dB down from the loudest, so that intros show and silence does not.
  function rangeOf(shown, target) {
    const top = stemfx.most([hasLufs(target) ? target.lufs : -Infinity, ...shown.map((point) => stemfx.most(metersOf(point).momentary))]);
    const high = Number.isFinite(top) ? Math.ceil((top + 1) / 6) * 6 : 0;
    return [high - 36, high];
  }

  function drawLoudness(element, data, page, shown, colourOf) {
    const { target } = data;
    const lines = shown.filter((point) => Number.isFinite(integrated(point)))
      .map((point) => ({ value: integrated(point), colour: colourOf(point), dash: [2, 4] }));
    if (hasLufs(target)) lines.push({ value: target.lufs, text: `target ${level(target.lufs)} LUFS`, colour: (theme) => theme.good, dash: [8, 4] });
    return stemfx.chart(element, {
      page, data, step_s: data.picture.block_s, place: 1, height: 260, range: rangeOf(shown, target), lines,
      label: `Loudness over time. ${inWords(shown, target)}`,
      series: shown.flatMap((point) => [
        { values: metersOf(point).momentary, colour: colourOf(point), width: 1, alpha: 0.35 },
        { values: metersOf(point).shortTerm, colour: colourOf(point), width: 2 },
      ]),
      legend: shown.map((point) => ({
        colour: colourOf(point),
        tell: (k) => k === null ? `${point.label}: ${level(integrated(point))} LUFS`
          : `${point.label}: short-term ${level(metersOf(point).shortTerm[k])}, momentary ${level(metersOf(point).momentary[k])}, ` +
            `integrated ${level(integrated(point))}`,
      })),
    });
  }

  function drawPeaks(element, data, page, shown, colourOf) {
    const ceiling = data.target?.ceiling_dbtp;
    const lines = Number.isFinite(ceiling)
      ? [{ value: ceiling, text: `ceiling ${level(ceiling)} dBTP`, colour: (theme) => theme.bad, dash: [8, 4] }] : [];
    const top = Math.max(0, stemfx.most(shown.map((point) => stemfx.most(stemfx.decode.blockPeaks(point)))));
    return stemfx.chart(element, {
      page, data, step_s: data.picture.block_s, height: 140, lines, range: [-24, Math.ceil((top + 1) / 3) * 3],
      label: `Sample peaks over time. True peaks: ${shown.map((point) =>
        `${point.label} ${level(point.true_peak_dbtp)} dBTP`).join(", ")}.`,
      series: shown.map((point) => ({ values: stemfx.decode.blockPeaks(point), colour: colourOf(point), width: 1 })),
      legend: shown.map((point) => ({
        colour: colourOf(point),
        tell: (k) => k === null ? `${point.label}: true peak ${level(point.true_peak_dbtp)} dBTP`
          : `${point.label}: ${level(stemfx.decode.blockPeaks(point)[k])} dBFS`,
      })),
    });
  }

  // Checkboxes of all points, folded away.
  function choices(data, picked, changed) {
    const { el } = stemfx.dom;
    const box = (point) => {
      const input = el("input", { type: "checkbox", checked: picked.has(point.id), on: { change: () => {
        if (input.checked) picked.add(point.id);
        else picked.delete(point.id);
        changed();
      } } });
      return el("label", {}, input, point.has_own_time ? `${point.label} (in its own time)` : point.label);
    };
    return el("details", { class: "pic-more" }, el("summary", { text: "Choose what is shown" }),
      el("fieldset", { class: "pic-checks", "aria-label": "Points shown" }, ...data.points.map(box)));
  }

  (stemfx.pictures ??= []).push({
    id: "loudness",
    title: "Loudness over time",
    help: "Thick: how loud the last 3 s were; thin: the last 0.4 s; dotted: the whole song. Good: the dotted line of the " +
      "master lies on the target, choruses rise above verses, and no peak crosses the ceiling.",
    wants: (data) => data.points.some((point) => point.loudness),
    draw: (element, data, page) => {
      const { el } = stemfx.dom;
      const heard = data.points.filter((point) => point.loudness);
      const first = heard.filter((point) => ROLES.includes(point.role) && !point.has_own_time);
      const picked = new Set((first.length ? first : heard.slice(0, 3)).map((point) => point.id));
      const kept = stemfx.keeper();
      const area = el("div");
      // Points of one lane have one colour: later ones are told apart by the theme's other colours.
      const colourOf = (point) => (theme) => {
        const colours = [];
        for (const id of picked) {
          const wanted = stemfx.pointColour(stemfx.pointsById(data).get(id), data, theme);
          const free = [wanted, ...theme.lanes].find((colour) => !colours.includes(colour));
          if (id === point.id) return free ?? wanted;
          colours.push(free ?? wanted);
        }
        return theme.dim;
      };
      const show = () => {
        kept.end();
        const shown = heard.filter((point) => picked.has(point.id));
        const [loudness, peaks, table] = [el("div"), el("div"), el("div")];
        area.replaceChildren(el("h4", { class: "pic-name", text: "Loudness, LUFS" }), loudness,
          el("h4", { class: "pic-name", text: "Peaks, dBFS" }), peaks, table);
        if (!shown.length) return area.replaceChildren(el("p", { text: "Choose at least one point." }));
        stemfx.drawInTurn(kept, loudness, () => drawLoudness(loudness, data, page, shown, colourOf));
        stemfx.drawInTurn(kept, peaks, () => drawPeaks(peaks, data, page, shown, colourOf));
        stemfx.orSaid(table, stemfx.inTurn(() => table.append(tableOf(shown, data.target))));
      };
      element.append(choices({ points: heard }, picked, show), area);
      show();
      return { destroy: kept.end };
    },
  });
})();
