// A map over time and frequency, with a colour bar.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  const HZ_TICKS = [50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000];

  // Room in px for the colour bar: charts over a map leave as much.
  stemfx.heatRight = 76;
  const BAR_GAP = 8;
  const BAR_TEXT = 14; // from the bar's left to its words

  // Mean of a row of `map` between columns that fall on each of `n` pixels; NaN where nothing is.
  function rowAt(map, band, n, columns_shown) {
    const row = new Float32Array(n);
    const start = band * map.n_columns;
    for (let x = 0; x < n; x++) {
      const first = Math.floor((x * columns_shown) / n);
      const last = Math.max(first + 1, Math.floor(((x + 1) * columns_shown) / n));
      let sum = 0;
      let count = 0;
      for (let c = first; c < last && c < map.n_columns; c++) {
        const value = map.values[start + c];
        if (value === value) {
          sum += value;
          count++;
        }
      }
      row[x] = count ? sum / count : NaN;
    }
    return row;
  }

  // Pixels [y][x] of a map: one colour per device pixel, so that it is sharp on every screen.
  function pixelsOf(map, edges_hz, width, height, range, table, nothing, columns_shown) {
    const pixels = new Uint32Array(width * height);
    const ratio = edges_hz[map.n_bands] / edges_hz[0];
    const factor = 255 / (range[1] - range[0]);
    let band = map.n_bands - 1;
    let painted = -1;
    for (let y = 0; y < height; y++) {
      const hz = edges_hz[0] * ratio ** (1 - (y + 0.5) / height);
      while (band > 0 && edges_hz[band] > hz) band--;
      if (painted === band) {
        pixels.copyWithin(y * width, (y - 1) * width, y * width);
        continue;
      }
      painted = band;
      const row = rowAt(map, band, width, columns_shown);
      for (let x = 0; x < width; x++) {
        const value = row[x];
        pixels[y * width + x] = value !== value ? nothing
          : table[Math.max(0, Math.min(255, Math.round((value - range[0]) * factor)))];
      }
    }
    return pixels;
  }

  function paintBar(pen, x, box, theme, table, range, tellValue) {
    const { top, height } = box;
    for (let y = 0; y < height; y++) {
      const c = table[Math.round(255 * (1 - y / (height - 1)))];
      pen.fillStyle = `rgb(${c & 255} ${(c >> 8) & 255} ${(c >> 16) & 255})`;
      pen.fillRect(x, top + y, 10, 1.5);
    }
    pen.fillStyle = theme.dim;
    pen.textAlign = "left";
    for (const share of [0, 0.5, 1]) {
      pen.textBaseline = share === 1 ? "top" : share ? "middle" : "bottom";
      const text = tellValue(range[0] + share * (range[1] - range[0]));
      pen.fillText(text, x + BAR_TEXT, top + height * (1 - share), stemfx.heatRight - BAR_GAP - BAR_TEXT);
    }
  }

  function paintHz(pen, box, theme, edges_hz, n_bands, yOf) {
    pen.fillStyle = theme.dim;
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const hz of HZ_TICKS) {
      const y = yOf(hz);
      if (y < box.top + 5 || y > box.top + box.height - 5) continue;
      pen.fillRect(box.left - 4, Math.round(y), 4, 1);
      pen.fillText(hz < 1000 ? String(hz) : `${hz / 1000}k`, box.left - 6, y);
    }
    pen.textBaseline = "top";
    pen.fillText("Hz", box.left - 6, box.top + box.height + 6);
  }

  // Put a map into `element`. `wanted`: page, data, map {n_bands, n_columns, values}, kind ("level",
  // "change"), range [low, high], unit(value) -> text of the bar and of the pointer, label,
  // height, length_s (the song's if not told).
  stemfx.heat = (element, wanted) => {
    const { map, data, range, unit, length_s = wanted.data.duration_s } = wanted;
    const edges_hz = stemfx.bandEdges(data.picture.bands_hz).slice(0, map.n_bands + 1);
    const ratio = edges_hz[map.n_bands] / edges_hz[0];
    const columns_shown = length_s / data.picture.column_s;
    return stemfx.sheet(element, {
      page: wanted.page,
      label: wanted.label,
      height: wanted.height ?? 150,
      margins: { left: 44, right: stemfx.heatRight },
      span: () => [0, length_s],
      paint: (pen, box, theme, scale) => {
        const table = stemfx.colourTable(wanted.kind, theme);
        const nothing = stemfx.pixelOf(theme.line);
        const width = Math.round(box.width * scale);
        const height = Math.round(box.height * scale);
        const pixels = pixelsOf(map, edges_hz, width, height, range, table, nothing, columns_shown);
        const image = new ImageData(new Uint8ClampedArray(pixels.buffer), width, height);
        pen.putImageData(image, Math.round(box.left * scale), Math.round(box.top * scale));
        pen.strokeStyle = theme.line;
        pen.strokeRect(box.left - 0.5, box.top - 0.5, box.width + 1, box.height + 1);
        paintBar(pen, box.left + box.width + BAR_GAP, box, theme, table, range, unit);
        paintHz(pen, box, theme, edges_hz, map.n_bands, (hz) =>
          box.top + box.height * (1 - Math.log(hz / edges_hz[0]) / Math.log(ratio)));
      },
      tell: (time_s, x, y, box) => {
        const share = 1 - (y - box.top) / box.height;
        if (share < 0 || share > 1 || x < box.left || x > box.left + box.width) return "";
        const hz = edges_hz[0] * ratio ** share;
        let band = edges_hz.findIndex((edge) => edge > hz) - 1;
        if (band < 0) band = map.n_bands - 1;
        const column = Math.floor(time_s / data.picture.column_s);
        const value = column < map.n_columns ? map.values[band * map.n_columns + column] : NaN;
        const what = Number.isNaN(value) ? "nothing here" : unit(value);
        return `${stemfx.dom.clock(time_s, 1)} · ${stemfx.said.hz(hz)} · ${what}`;
      },
    });
  };

  // A spectrogram as a map; silence is far below every scale.
  stemfx.levelMap = (spectrogram) => ({
    n_bands: spectrogram.n_bands,
    n_columns: spectrogram.n_columns,
    values: spectrogram.level_db.map((db) => Math.max(db, -200)),
  });
})();
