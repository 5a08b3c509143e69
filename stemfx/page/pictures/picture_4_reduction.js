// What each step turned down: level over time, less its constant gain, and where in the spectrum.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const LOWEST_DB = -36;
  const change = (...given) => stemfx.said.change(...given);
  const percent = (share) => stemfx.said.percent(share);

  // Level changes of a step: {loudness, peaks}, as stemfx.levelChange tells them.
  const changesOf = (before, after) => ({
    loudness: stemfx.levelChange(stemfx.decode.loudness(before), stemfx.decode.loudness(after)),
    peaks: stemfx.levelChange(stemfx.decode.blockPeaks(before), stemfx.decode.blockPeaks(after)),
  });

  function inWords(step, { loudness, peaks }) {
    const deepest = Math.min(loudness.deepest_db, peaks.deepest_db);
    const moved = Number.isNaN(deepest) ? "its input is silent"
      : deepest > -0.5 ? "it turns nothing down by more than 0.5 dB"
        : `it turns down by up to ${change(deepest)} (loudness ${change(loudness.deepest_db)}, peaks ${change(peaks.deepest_db)}), ` +
          `by more than 1 dB for ${percent(Math.max(loudness.share_down, peaks.share_down))} of the time`;
    return `${step.node}: beside a constant gain of ${change(loudness.static_db)} (peaks ${change(peaks.static_db)}) ${moved}.`;
  }

  function drawCurve(element, data, time, words, { loudness, peaks }) {
    const colours = [(theme) => theme.dim, (theme) => theme.accent];
    const lowest = Math.min(-6, loudness.deepest_db || 0, peaks.deepest_db || 0);
    const range = [Math.max(LOWEST_DB, Math.floor((lowest - 1) / 3) * 3), 3];
    const legend = (name, values, colour) => ({ colour, tell: (k) =>
      k === null ? name : `${name} ${change(Number.isFinite(values[k]) ? values[k] : null)}` });
    return stemfx.chart(element, {
      page: time.page, length_s: time.length_s, data, step_s: data.picture.block_s, height: 160, range, right: stemfx.heatRight, label: `Gain over time. ${words}`,
      lines: [{ value: 0, colour: (theme) => theme.line }],
      series: [{ values: peaks.moving_db, colour: colours[0], width: 1 },
        { values: loudness.moving_db, colour: colours[1], width: 1.5, fill: (theme) => `color-mix(in srgb, ${theme.accent} 25%, transparent)` }],
      legend: [legend("loudness", loudness.moving_db, colours[1]), legend("peaks", peaks.moving_db, colours[0])],
    });
  }

  async function drawMap(element, data, time, step, before, after, static_db, kept) {
    const [a, b] = await Promise.all([before, after].map((point) => stemfx.decode.spectrogram(point, data.picture)));
    stemfx.drawInTurn(kept, element, () => {
      const map = stemfx.attenuation(a, b, Number.isFinite(static_db) ? static_db : 0, Math.max(-100, stemfx.most(a.level_db) - 70));
      const deepest = stemfx.quantile(map.values, 0.995);
      const range = [0, [6, 12, 24].find((db) => db >= deepest) ?? 48];
      return stemfx.heat(element, {
        page: time.page, length_s: time.length_s, data, map, kind: "level", range, unit: (x) => change(-x, 0),
        label: `What ${step.node} took, over time and frequency: ${change(-deepest)} at most`,
      });
    });
  }

  async function overview(element, steps, ends) {
    const rows = [];
    for (const step of steps) rows.push(await stemfx.inTurn(() => {
      const { loudness, peaks } = changesOf(...ends(step));
      return [step.node, change(loudness.static_db), change(loudness.deepest_db), change(peaks.deepest_db),
        percent(Math.max(loudness.share_down, peaks.share_down))];
    }));
    element.append(stemfx.table("Steps that turn down",
      ["Step", "Constant gain", "Deepest, loudness", "Deepest, peaks", "Time below −1 dB"], rows));
  }

  (stemfx.pictures ??= []).push({
    id: "reduction",
    title: "What each step turned down",
    help: "The line is the step's gain over time, without the gain that it gives all the time; the map shows from where it took. " +
      "Good: it moves with the music and comes back to 0; a line that stays down is a fader's work.",
    wants: (data) => stemfx.picturedSteps(data).length > 0,
    draw: (element, data, page) => {
      const { el } = stemfx.dom;
      const points = stemfx.pointsById(data);
      const all = stemfx.picturedSteps(data);
      // Steps that turn down by trade come first; any other may be looked at too.
      const steps = [...all.filter((step) => step.is_reduction), ...all.filter((step) => !step.is_reduction)];
      const kept = stemfx.keeper();
      const area = el("div");
      const ends = (step) => [points.get(step.before), points.get(step.after)];
      const show = (step) => {
        kept.end();
        const changes = changesOf(...ends(step));
        const words = inWords(step, changes);
        const [curve, map] = [el("div"), el("div")];
        const time = stemfx.timeOf(ends(step), data, page);
        area.replaceChildren(el("p", { class: "pic-words", text: words }), ...[time.note].filter(Boolean), el("h4", { class: "pic-name", text: "Gain over time, dB" }), curve,
          el("h4", { class: "pic-name", text: "Taken, over time and frequency" }), map);
        stemfx.drawInTurn(kept, curve, () => drawCurve(curve, data, time, words, changes));
        stemfx.orSaid(map, drawMap(map, data, time, step, ...ends(step), changes.loudness.static_db, kept));
      };
      const reducing = steps.filter((step) => step.is_reduction);
      element.append(el("div", { class: "pic-bar" }, stemfx.chooser("Step",
        steps.map((step, k) => [String(k), step.node]), "0", (k) => show(steps[k]))), area);
      show(steps[0]);
      if (reducing.length > 1) stemfx.orSaid(element, overview(element, reducing, ends));
      return { destroy: kept.end };
    },
  });
})();
