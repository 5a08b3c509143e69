// Onsets of drum hits by class, with those that were replaced.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const REACH_PX = 8;
  const LEAD_S = 0.05; // so that the attack is heard

  // Hits of all tracks by class: [{name, class, is_replaced, hits: [[time_s, velocity], ...]}].
  stemfx.hitRows = (hits_by_track) => {
    const tracks = Object.entries(hits_by_track);
    const rows = [];
    for (const [track, { hits, replaced }] of tracks)
      for (const kind of new Set(hits.map(([, of]) => of)))
        rows.push({
          name: tracks.length > 1 ? `${track}: ${kind}` : kind,
          is_replaced: replaced.includes(kind),
          hits: hits.filter(([, of]) => of === kind).map(([time_s, , velocity]) => [time_s, velocity]).sort((a, b) => a[0] - b[0]),
        });
    return rows;
  };

  // The hit of a row that is nearest to `x` within reach, or null.
  function nearest(row, xOf, x) {
    let found = null;
    for (const hit of row.hits)
      if (Math.abs(xOf(hit[0]) - x) <= Math.abs((found ? xOf(found[0]) : x + REACH_PX) - x)) found = hit;
    return found;
  }

  const inWords = (row, [time_s, velocity]) =>
    `${row.name} at ${stemfx.dom.clock(time_s, 2)}, velocity ${velocity.toFixed(2)}${row.is_replaced ? ", replaced" : ""}`;

  // What goes from hit to hit without a pointer: of which class, and the one before or after.
  function walk(rows, page, kept) {
    const { button, say } = stemfx.dom;
    let chosen = rows;
    let last_s = null; // the hit that was heard last, until somebody seeks: playing goes on meanwhile
    kept.keep(page.on("seek", () => { last_s = null; }));
    const go = (direction) => {
      const hits = chosen.flatMap((row) => row.hits.map((hit) => ({ row, hit, time_s: hit[0] })))
        .sort((a, b) => direction * (a.time_s - b.time_s));
      const here_s = last_s ?? page.position - direction * 1e-6;
      const next = hits.find(({ time_s }) => direction * (time_s - here_s) > 1e-6);
      if (!next) return say(direction > 0 ? "That was the last hit." : "That was the first hit.");
      stemfx.hearFrom(page, next.time_s - LEAD_S, true);
      last_s = next.time_s;
      say(inWords(next.row, next.hit));
    };
    const kinds = [["", "every hit"], ...rows.map((row, k) => [String(k), row.name])];
    return stemfx.dom.el("div", { class: "pic-bar" },
      stemfx.chooser("Hear", kinds, "", (k) => { chosen = k ? [rows[k]] : rows; }),
      button("Previous hit", () => go(-1)), button("Next hit", () => go(1)));
  }

  // Replaced hits are filled diamonds, kept ones rings; the area grows with velocity.
  function paintHit(pen, x, y, velocity, is_replaced) {
    const radius = 2 + 6 * Math.sqrt(Math.max(0, Math.min(1, velocity)));
    pen.beginPath();
    if (is_replaced) {
      pen.moveTo(x, y - radius);
      for (const [dx, dy] of [[radius, 0], [0, radius], [-radius, 0]]) pen.lineTo(x + dx, y + dy);
      pen.closePath();
      pen.fill();
    } else {
      pen.arc(x, y, radius * 0.8, 0, 2 * Math.PI);
      pen.stroke();
    }
  }

  (stemfx.pictures ??= []).push({
    id: "hits",
    title: "Onsets and replaced hits",
    help: "Each sign is a drum hit, the larger the harder; filled diamonds were replaced by samples, rings were left as they are. " +
      "Good: the signs sit on what you hear; click one to hear the song from there.",
    wants: (data) => Object.values(data.hits ?? {}).some(({ hits }) => hits.length),
    draw: (element, data, page) => {
      const { clock, count } = stemfx.dom;
      const rows = stemfx.hitRows(data.hits).map((row) => ({ ...row, height: 28 }));
      const kept = stemfx.keeper();
      const words = rows.map((row) => `${count(row.hits.length, `${row.name} hit`)}${row.is_replaced ? ", replaced" : ""}`).join("; ");
      const place = stemfx.dom.el("div");
      element.append(walk(rows, page, kept), place);
      stemfx.drawInTurn(kept, place, () => stemfx.timeline(place, {
        page, data, rows, length_s: 15, label: `Drum hits over time: ${words}.`,
        paintRow: (pen, row, { top, height, xOf, from_s, to_s, theme }) => {
          pen.fillStyle = theme.accent;
          pen.strokeStyle = theme.ink;
          pen.lineWidth = 1.5;
          for (const [time_s, velocity] of row.hits)
            if (time_s >= from_s - 0.1 && time_s <= to_s + 0.1) paintHit(pen, xOf(time_s), top + height / 2, velocity, row.is_replaced);
        },
        tell: (time_s, row, xOf, x) => {
          const hit = nearest(row, xOf, x);
          return hit ? inWords(row, hit) : clock(time_s, 2);
        },
        clicked: (time_s, row, xOf, x) => {
          const hit = nearest(row, xOf, x);
          stemfx.hearFrom(page, hit ? hit[0] - LEAD_S : time_s, Boolean(hit));
        },
      }));
      element.append(stemfx.table("Hits by class", ["Class", "Hits", "Typical velocity", "Softest", "Hardest", "Replaced"],
        rows.map((row) => {
          const velocities = row.hits.map(([, velocity]) => velocity);
          return [row.name, String(row.hits.length), ...[0.5, 0, 1].map((q) => stemfx.quantile(velocities, q).toFixed(2)), row.is_replaced ? "yes" : "no"];
        })));
      return { destroy: kept.end };
    },
  });
})();
