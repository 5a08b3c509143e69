// Beat grids of all sources on one time line, before and after alignment.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const STEADY = 0.005; // tempo that moves by less is steady

  const bpmOf = (x) => x.toFixed(1);
  const nameOf = (grid, grids) => grids.some((other) => other !== grid && other.source === grid.source)
    ? `${grid.source}, ${grid.is_aligned ? "aligned" : "as it was"}` : grid.source;

  function tempoInWords(grid) {
    const tempo = stemfx.tempoOf(grid.beats_s);
    const bpm = grid.bpm ?? tempo?.bpm;
    if (!bpm) return "no beats found";
    const is_steady = !tempo || tempo.high_bpm / tempo.low_bpm - 1 < STEADY;
    return `${bpmOf(bpm)} BPM, ${is_steady ? "steady" : `moving between ${bpmOf(tempo.low_bpm)} and ${bpmOf(tempo.high_bpm)}`}`;
  }

  // How the other grids lie to the first: tempo where they were not aligned, distance where they were.
  function meeting(grid, leader) {
    if (grid === leader || !grid.beats_s.length || !leader.beats_s.length) return "–";
    const apart_ms = Math.round(1000 * stemfx.beatsApart(leader.beats_s, grid.beats_s));
    if (grid.is_aligned) return `typically ${apart_ms} ms from the beats of ${leader.source}`;
    const [a, b] = [leader, grid].map((each) => stemfx.tempoOf(each.beats_s)?.bpm ?? each.bpm);
    const percent = 100 * (b / a - 1);
    return Math.abs(percent) < 0.05 ? `the tempo of ${leader.source}`
      : `${Math.abs(percent).toFixed(1)} % ${percent > 0 ? "faster" : "slower"} than ${leader.source}`;
  }

  function paintSections(pen, grid, { top, height, xOf, theme }) {
    grid.sections.forEach((section, k) => {
      const x = xOf(section.start_s);
      pen.globalAlpha = 0.22;
      const labels = [...new Set(grid.sections.map((each) => each.label))];
      pen.fillStyle = theme.lanes[labels.indexOf(section.label) % theme.lanes.length];
      pen.fillRect(x, top, xOf(section.end_s) - x, height - 1);
      pen.globalAlpha = 1;
      pen.fillStyle = theme.dim;
      if (k) pen.fillRect(x, top, 1, height - 1);
      pen.textAlign = "left";
      pen.textBaseline = "top";
      const room = xOf(section.end_s) - Math.max(x, xOf.left) - 6;
      if (room > 10) pen.fillText(section.label, Math.max(x, xOf.left) + 4, top + 2, room);
    });
  }

  function paintBeats(pen, grid, { top, height, width, xOf, from_s, to_s, theme }) {
    const within = (times) => times.filter((t) => t >= from_s && t <= to_s);
    const beats = within(grid.beats_s);
    pen.fillStyle = theme.dim;
    // Beats closer than 3 px would be a grey wall: then downbeats alone say more.
    if (beats.length * 3 < width) for (const t of beats) pen.fillRect(xOf(t) - 0.5, top + height * 0.6, 1, height * 0.4 - 2);
    pen.fillStyle = theme.ink;
    for (const t of within(grid.downbeats_s)) pen.fillRect(xOf(t) - 0.75, top + height * 0.3, 1.5, height * 0.7 - 2);
  }

  (stemfx.pictures ??= []).push({
    id: "grids",
    title: "Beat grids",
    help: "One row for each source: short lines are beats, long ones the first beat of a bar, colours are sections. " +
      "Good after alignment: the long lines stand under each other from the first bar to the last.",
    wants: (data) => (data.grids ?? []).some((grid) => grid.beats_s.length),
    draw: (element, data, page) => {
      const { clock } = stemfx.dom;
      // Where a source has both, as they were comes first: the eye goes from apart to together.
      const has_both = data.grids.some((grid) => data.grids.some((other) => other !== grid && other.source === grid.source));
      const grids = has_both ? [...data.grids].sort((a, b) => Number(a.is_aligned) - Number(b.is_aligned)) : data.grids;
      const rows = grids.map((grid) => ({ grid, name: nameOf(grid, grids), height: 44 }));
      const leader = grids.find((grid) => grid.beats_s.length);
      const leaderOf = (grid) => (grid.is_aligned && grids.find((each) => each.is_aligned && each.source === leader.source)) || leader;
      const words = rows.map(({ name, grid }) => `${name}: ${tempoInWords(grid)}`).join("; ");
      const kept = stemfx.keeper();
      const place = stemfx.dom.el("div");
      element.append(place);
      stemfx.drawInTurn(kept, place, () => stemfx.timeline(place, {
        page, data, rows, length_s: 15, label: `Beat grids. ${words}.`,
        paintRow: (pen, { grid }, place) => {
          place.xOf.left = place.left;
          paintSections(pen, grid, place);
          paintBeats(pen, grid, place);
        },
        tell: (time_s, { grid, name }) => {
          const bar = grid.downbeats_s.filter((t) => t <= time_s + 1e-6).length;
          const section = grid.sections.find((each) => each.start_s <= time_s && time_s < each.end_s);
          return `${name} at ${clock(time_s, 2)}: ${bar ? `bar ${bar}` : "before bar 1"}${section ? `, ${section.label}` : ""}`;
        },
        clicked: (time_s) => stemfx.hearFrom(page, time_s),
      }));
      element.append(stemfx.table("Tempo of each source", ["Source", "Tempo", "Bars", "First bar", "Beside the first"],
        rows.map(({ name, grid }) => [name, tempoInWords(grid), String(grid.downbeats_s.length),
          grid.downbeats_s.length ? clock(grid.downbeats_s[0], 2) : "–", meeting(grid, leaderOf(grid))])));
      return { destroy: kept.end };
    },
  });
})();
