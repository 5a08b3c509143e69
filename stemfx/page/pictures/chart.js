// Lines over time by uPlot: play position, click to seek, legend with the values under the pointer.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  // A number per block as uPlot wants it: null where there is none.
  const valuesOf = (numbers) => Array.from(numbers, (x) => (Number.isFinite(x) ? x : null));

  // Horizontal lines [{value, text, colour, dash}], drawn beneath the series.
  const ruled = (lines, theme) => (plot) => {
    const { ctx: pen, bbox } = plot;
    const scale = globalThis.devicePixelRatio || 1;
    pen.save();
    pen.font = `${11 * scale}px ${theme.font}`;
    pen.lineWidth = scale;
    for (const line of lines) {
      const y = Math.round(plot.valToPos(line.value, "y", true));
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      pen.strokeStyle = pen.fillStyle = line.colour(theme);
      pen.setLineDash((line.dash ?? []).map((d) => d * scale));
      pen.beginPath();
      pen.moveTo(bbox.left, y);
      pen.lineTo(bbox.left + bbox.width, y);
      pen.stroke();
      if (!line.text) continue;
      pen.textAlign = "right";
      const is_below = y - bbox.top < 16 * scale;
      pen.textBaseline = is_below ? "top" : "bottom";
      pen.fillText(line.text, bbox.left + bbox.width - 4 * scale, y + (is_below ? 2 : -2) * scale);
    }
    pen.restore();
  };

  function optionsOf(wanted, width, theme, now) {
    const axis = { stroke: theme.muted, font: `11px ${theme.font}`, ticks: { stroke: theme.line, size: 4 },
      grid: { stroke: theme.line, width: 0.5 } };
    return {
      width,
      height: wanted.height ?? 200,
      legend: { show: false },
      padding: [8, 8, 0, 0],
      cursor: { drag: { x: false, y: false, setScale: false }, y: false, points: { show: false },
        sync: { key: "stemfx", scales: ["x", null] } },
      scales: { x: { time: false, range: [0, wanted.data.duration_s] }, y: { range: wanted.range } },
      axes: [
        { ...axis, size: 28, splits: (plot) => stemfx.timeTicks(0, wanted.data.duration_s, plot.width - 50).ticks,
          values: (_, ticks) => ticks.map((t) => stemfx.dom.clock(t, t % 1 ? 1 : 0)) },
        { ...axis, size: 44, values: (_, ticks) => ticks.map((v) => stemfx.said.level(v, v % 1 ? 1 : 0)) },
      ],
      series: [{}, ...wanted.series.map((line) => ({
        stroke: line.colour(theme), width: line.width ?? 1.5, dash: line.dash, alpha: line.alpha ?? 1,
        fill: line.fill?.(theme), fillTo: line.fill ? 0 : undefined, points: { show: false },
      }))],
      hooks: { drawAxes: [ruled(wanted.lines ?? [], theme)], setCursor: [(plot) => now.legend(plot.cursor.idx)],
        setSize: [() => now.place()] },
    };
  }

  // Put a chart into `element`. `wanted`: page, data, label, height, range [low, high], step_s (time
  // of a value; value k stands at (k + 0.5) step_s), series [{values, colour(theme), width, dash,
  // alpha, fill}], lines (see `ruled`), legend [{colour(theme), dash, tell(k | null) -> text}].
  stemfx.chart = (element, wanted) => {
    const { page, data, step_s } = wanted;
    const kept = stemfx.keeper();
    const area = stemfx.dom.el("div", { class: "pic-chart", role: "img", "aria-label": wanted.label });
    const legend = stemfx.dom.el("p", { class: "pic-legend", "aria-hidden": "true" });
    const cursor = stemfx.dom.el("div", { class: "pic-cursor" });
    element.append(area, legend);

    const n = Math.max(1, ...wanted.series.map((line) => line.values.length));
    const table = [Array.from({ length: n }, (_, k) => (k + 0.5) * step_s),
      ...wanted.series.map((line) => Object.assign(new Array(n).fill(null), valuesOf(line.values)))];
    let plot = null;
    let position_s = page.position ?? 0;
    let texts = [];
    const now = {
      legend: (k) => wanted.legend.forEach((entry, i) => { if (texts[i]) texts[i].data = entry.tell(k ?? null); }),
      place: () => {
        if (plot) cursor.style.transform = `translateX(${plot.valToPos(position_s, "x")}px)`;
      },
    };
    const writeLegend = (theme) => {
      texts = wanted.legend.map((entry) => document.createTextNode(entry.tell(null)));
      legend.replaceChildren(...wanted.legend.map((entry, i) => {
        const swatch = stemfx.dom.el("span", { class: entry.dash ? "pic-swatch pic-dashed" : "pic-swatch" });
        swatch.style.color = entry.colour(theme);
        return stemfx.dom.el("span", { class: "pic-entry" }, swatch, texts[i]);
      }));
    };
    const draw = () => {
      if (!element.clientWidth) return;
      plot?.destroy();
      const theme = stemfx.theme(element);
      writeLegend(theme);
      plot = new uPlot(optionsOf(wanted, element.clientWidth, theme, now), table, area);
      plot.over.append(cursor);
      plot.over.addEventListener("click", (event) => {
        const x = event.clientX - plot.over.getBoundingClientRect().left;
        stemfx.hearFrom(page, plot.posToVal(x, "x"));
      });
      now.place();
    };
    kept.keep(stemfx.redrawn(element, page, draw));
    kept.keep(stemfx.heed(page, "position", (now_s) => {
      position_s = now_s;
      now.place();
    }));
    draw();
    return {
      destroy: () => {
        kept.end();
        plot?.destroy();
        area.remove();
        legend.remove();
      },
    };
  };
})();
