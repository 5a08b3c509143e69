// Stereo before and after: correlation over time and per band, and what mono loses per band.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const WARN_LOSS_DB = 1.5; // heard beside the stereo version
  const BAD_LOSS_DB = 3; // half of the power is gone
  const PERIOD_S = 1;
  const QUIET_DB = -70;

  const tone = (value, warn, bad) => (value >= bad ? "bad" : value >= warn ? "warn" : "good");
  const number = (x) => stemfx.said.level(x, 2);
  const loss = (x) => (x === null || x === undefined ? "–" : `${stemfx.said.level(x)} dB`);

  // A number with a bar of its share, 0..1, in a colour of the theme.
  function bar(text, share, colour) {
    const { el } = stemfx.dom;
    const filled = el("span", { class: `pic-fill pic-${colour}` });
    filled.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
    return el("span", { class: "pic-bar-cell" }, el("span", { class: "pic-track", "aria-hidden": "true" }, filled), text);
  }

  function bandTable(before, after) {
    const correlation = (x) => bar(number(x), (x ?? -1) / 2 + 0.5, tone(-(x ?? 1), -0.3, 0));
    const lost = (x) => bar(loss(x), (x ?? 0) / 6, tone(x ?? 0, WARN_LOSS_DB, BAD_LOSS_DB));
    return stemfx.table("Correlation, and what mono loses, per band",
      ["Band", "Correlation before", "after", "Lost in mono before", "after"],
      after.stereo.bands.map((band, k) => {
        const was = before.stereo?.bands[k];
        return [stemfx.said.band(band.low_hz, band.high_hz), correlation(was?.correlation), correlation(band.correlation),
          lost(was?.mono_loss_db), lost(band.mono_loss_db)];
      }));
  }

  const stereoPoints = (data) => data.points.filter((point) => point.stereo && !point.has_own_time);

  // Correlation per second; NaN where nothing sounds, as there is nothing to correlate.
  stemfx.heardCorrelation = (point, picture) => {
    const per_second = Math.round(PERIOD_S / picture.block_s);
    const levels_db = stemfx.decode.loudness(point);
    return stemfx.decode.correlation(point).map((value, second) => {
      const block_db = levels_db.subarray(second * per_second, (second + 1) * per_second);
      return stemfx.most(block_db) > QUIET_DB ? value : NaN;
    });
  };

  // The band that mono hurts most, in words.
  stemfx.monoInWords = (point) => {
    const told = point.stereo.bands.filter((band) => band.mono_loss_db !== null);
    if (!told.length) return `${point.label} is silent.`;
    const worst = told.reduce((a, b) => (b.mono_loss_db > a.mono_loss_db ? b : a));
    const where = stemfx.said.band(worst.low_hz, worst.high_hz);
    if (worst.mono_loss_db < WARN_LOSS_DB)
      return `${point.label} holds up in mono: no band loses more than ${loss(Math.max(0, worst.mono_loss_db))}.`;
    return `In mono ${point.label} loses ${loss(worst.mono_loss_db)} at ${where}` +
      `${worst.mono_loss_db >= BAD_LOSS_DB ? ": on a phone or a club's mono system that part all but goes." : "."}`;
  };

  (stemfx.pictures ??= []).push({
    id: "stereo",
    title: "Stereo and mono",
    help: "Correlation 1 is mono, 0 is wide, below 0 the sides fight each other and cancel in mono. Good: above 0.3 most " +
      "of the time, near 1 in the bass, and no band that loses more than 1.5 dB when both sides are added.",
    wants: (data) => stereoPoints(data).length > 0,
    draw: (element, data, page) => {
      const { el } = stemfx.dom;
      const points = stemfx.pointsById(data);
      // What runs in its own time cannot stand on one time line with the rest.
      const wide = stereoPoints(data);
      const kept = stemfx.keeper();
      const ofRole = (role) => wide.find((point) => point.role === role);
      let before = (ofRole("source") ?? wide[0]).id;
      let after = (ofRole("master") ?? ofRole("mix") ?? wide[wide.length - 1]).id;
      const places = wide.map((point) => [point.id, point.label]);
      const area = el("div");
      const show = () => {
        kept.end();
        const pair = [points.get(before), points.get(after)];
        const words = pair[0] === pair[1] ? stemfx.monoInWords(pair[1]) : pair.map(stemfx.monoInWords).join(" ");
        const chart = el("div");
        area.replaceChildren(el("p", { class: "pic-words", text: words }),
          el("h4", { class: "pic-name", text: "Correlation per second" }), chart, bandTable(...pair));
        const colours = [(theme) => theme.dim, (theme) => theme.accent];
        const values = pair.map((point) => stemfx.heardCorrelation(point, data.picture));
        stemfx.drawInTurn(kept, chart, () => stemfx.chart(chart, {
          page, data, step_s: PERIOD_S, height: 150, range: [-1, 1],
          label: `Correlation over time. ${pair.map((point, k) =>
            `${point.label}: ${number(stemfx.median(values[k]))} typically, ${number(stemfx.quantile(values[k], 0))} at least`).join("; ")}.`,
          lines: [{ value: 0, text: "below: cancels in mono", colour: (theme) => theme.bad, dash: [8, 4] }],
          series: pair.map((_, k) => ({ values: values[k], colour: colours[k], width: 2, dash: k ? undefined : [4, 3] })),
          legend: pair.map((point, k) => ({ colour: colours[k], dash: k === 0, tell: (i) =>
            `${point.label}: ${number(i === null ? stemfx.median(values[k]) : values[k][i])}` })),
        }));
      };
      element.append(el("div", { class: "pic-bar" },
        stemfx.chooser("Before", places, before, (id) => { before = id; show(); }),
        stemfx.chooser("After", places, after, (id) => { after = id; show(); })), area);
      show();
      return { destroy: kept.end };
    },
  });
})();
