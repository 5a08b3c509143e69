// Rows of events on one time line, of which a stretch is shown that follows the play position.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const SPANS_S = [5, 15, 30, 60];

  // The stretch of `length_s` that holds `time_s`, of a song of `duration_s`: [from_s, to_s].
  stemfx.stretchAt = (time_s, length_s, duration_s) => {
    if (length_s >= duration_s) return [0, duration_s];
    const from_s = Math.floor(Math.min(time_s, duration_s - 1e-6) / length_s) * length_s;
    return [from_s, from_s + length_s];
  };

  // Put a time line into `element`. `wanted`: page, data, label, rows [{name, height}], length_s (what
  // is shown first), paintRow(pen, row, {top, height, left, width, xOf, from_s, to_s, theme}),
  // tell(time_s, row, xOf, x) -> text, clicked(time_s, row, xOf, x).
  stemfx.timeline = (element, wanted) => {
    const { data, page, rows } = wanted;
    const { el, button, clock } = stemfx.dom;
    const duration_s = data.duration_s;
    let length_s = Math.min(wanted.length_s, duration_s);
    let span = stemfx.stretchAt(page.position ?? 0, length_s, duration_s);
    const height = rows.reduce((sum, row) => sum + row.height, 0);
    const where = el("span", { class: "pic-aside" });
    const area = el("div");

    const xOfIn = (box) => (time_s) => box.left + (box.width * (time_s - span[0])) / (span[1] - span[0]);
    const rowAt = (y, box) => {
      let top = box.top;
      return rows.find((row) => (top += row.height) > y) ?? rows[rows.length - 1];
    };
    const show = (next) => {
      span = next;
      where.textContent = `${clock(span[0])}–${clock(Math.min(span[1], duration_s))}`;
      const is_whole = length_s >= duration_s;
      earlier.disabled = is_whole || span[0] <= 0;
      later.disabled = is_whole || span[1] >= duration_s;
      sheet?.repaint();
    };
    const at = (time_s) => stemfx.stretchAt(time_s, length_s, duration_s);
    const lengths = [...SPANS_S.filter((s) => s < duration_s).map((s) => [String(s), `${s} s`]), ["all", "whole song"]];
    const zoom = stemfx.chooser("Show", lengths, length_s >= duration_s ? "all" : String(length_s), (value) => {
      const middle_s = position_s >= span[0] && position_s < span[1] ? position_s : span[0];
      length_s = value === "all" ? duration_s : Number(value);
      show(at(middle_s));
    });
    const earlier = button("◀", () => show(at(span[0] - length_s)), { "aria-label": "Earlier" });
    const later = button("▶", () => show(at(span[1])), { "aria-label": "Later" });
    let position_s = page.position ?? 0;
    element.append(el("div", { class: "pic-bar" }, zoom, earlier, later, where), area);

    const left = (width) => (width < 480 ? 72 : 130);
    let sheet = null;
    sheet = stemfx.sheet(area, {
      page, height, label: wanted.label,
      margins: (width) => ({ left: left(width), right: 8 }),
      span: () => span,
      paint: (pen, box, theme) => {
        let top = box.top;
        for (const row of rows) {
          pen.fillStyle = theme.line;
          pen.fillRect(box.left, top + row.height - 0.5, box.width, 0.5);
          pen.save();
          pen.beginPath();
          pen.rect(box.left, top, box.width, row.height);
          pen.clip();
          wanted.paintRow(pen, row, { top, height: row.height, left: box.left, width: box.width, xOf: xOfIn(box),
            from_s: span[0], to_s: span[1], theme });
          pen.restore();
          pen.fillStyle = theme.ink;
          pen.textAlign = "left";
          pen.textBaseline = "middle";
          pen.fillText(row.name, 0, top + row.height / 2, box.left - 6);
          top += row.height;
        }
      },
      tell: (time_s, x, y, box) => wanted.tell(time_s, rowAt(y, box), xOfIn(box), x),
      clicked: (time_s, x, y, box) => wanted.clicked(time_s, rowAt(y, box), xOfIn(box), x),
      moved: (now_s) => {
        const was_within = position_s >= span[0] && position_s < span[1];
        position_s = now_s;
        if (was_within && (now_s < span[0] || now_s >= span[1])) show(at(now_s));
      },
    });
    show(at(position_s));
    return sheet;
  };
})();
