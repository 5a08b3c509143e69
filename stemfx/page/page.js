// Starts the page: builds its parts and ties them to the engine.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});
  const { el, clock } = stemfx.dom;

  const jsonOf = (id) => JSON.parse(document.getElementById(id)?.textContent.trim() || "null");

  // ---- theme -------------------------------------------------------------------------------

  function theme(page) {
    const root = document.documentElement;
    const dark = matchMedia("(prefers-color-scheme: dark)");
    const element = document.getElementById("theme");
    const kept = (() => {
      try {
        return localStorage.getItem("stemfx-theme");
      } catch {
        return null;
      }
    })();
    if (["light", "dark"].includes(kept)) root.dataset.theme = kept;
    const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : dark.matches);
    const show = () => {
      element.setAttribute("aria-pressed", String(isDark()));
      page.tell("theme", isDark() ? "dark" : "light");
    };
    element.addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      try {
        localStorage.setItem("stemfx-theme", root.dataset.theme);
      } catch {
        /* a page from disk may keep nothing */
      }
      show();
    });
    dark.addEventListener("change", show);
    show();
  }

  // ---- pictures ----------------------------------------------------------------------------

  function pictures(page) {
    const section = document.getElementById("pictures");
    const wanted = (stemfx.pictures ?? []).filter((picture) => picture.wants(page.data));
    if (!wanted.length)
      return section.append(el("p", { class: "note", text: "There is nothing to draw of this run." }));
    const drawn = new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (!isIntersecting) continue;
          drawn.unobserve(target);
          const picture = wanted.find((one) => one.id === target.dataset.picture);
          stemfx.orSaid(target, (async () => picture.draw(target, page.data, page))());
        }
      },
      { rootMargin: "100px" },
    );
    for (const picture of wanted) {
      const body = el("div", { class: "picture", "data-picture": picture.id });
      section.append(
        el(
          "details",
          { class: "folded", open: true, id: `picture-${picture.id}` },
          el("summary", {}, el("h3", { text: picture.title })),
          picture.help ? el("p", { class: "help", text: picture.help }) : null,
          body,
        ),
      );
      drawn.observe(body);
    }
  }

  // ---- start -------------------------------------------------------------------------------

  function head(data) {
    document.getElementById("title").textContent = data.title;
    const cached = data.steps.filter((step) => step.status === "cached").length;
    const parts = [
      data.recipe_file,
      clock(data.duration_s),
      data.preview_s && `preview from ${clock(data.preview_s[0])}, ${clock(data.preview_s[1])} long`,
      `made by stemfx ${data.made_with} in ${Math.round(data.seconds ?? 0)} s`,
      cached && `${cached} of ${data.steps.length} steps from the cache`,
    ];
    document.getElementById("subtitle").textContent = parts.filter(Boolean).join(" · ");
  }

  function start() {
    const data = jsonOf("stemfx-data");
    const page = (stemfx.page = new stemfx.PageControl(data));
    const { listening } = page;
    head(data);
    const lanes = new stemfx.Lanes(page, listening);
    page.ruler = lanes.ruler;
    const transport = new stemfx.Transport(page, lanes);
    const bar = new stemfx.ListenBar(page, listening, lanes);
    page.ab = new stemfx.AbPanel(page, listening);
    const into = (id, ...nodes) => document.getElementById(id).append(...nodes);
    into("outcome", stemfx.panels.outcome(data));
    into("listen", bar.element, lanes.element);
    into("ab", page.ab.element);
    into("steps", ...stemfx.panels.steps(data, page));
    into("recipe", ...stemfx.record.recipe(data));
    into("record", ...stemfx.record.parts(data, jsonOf("stemfx-libraries") ?? []));
    const showHeard = () => {
      lanes.show();
      bar.show();
      page.ab.show();
      transport.showWhat(page.what());
    };
    page.on("heard", showHeard);
    page.on("position", (time_s) => {
      transport.showPosition(time_s);
      lanes.showPosition(time_s);
    });
    page.on("seek", (time_s) => {
      transport.showPosition(time_s, true);
      lanes.showPosition(time_s, true);
    });
    page.on("state", () => transport.showState(page.isPlaying, page.isWaiting));
    page.on("volume", (volume_db) => transport.showVolume(volume_db));
    page.on("range", (range, { by = null } = {}) => {
      lanes.showRange(range, by);
      transport.showRange(range, page.isLooping);
    });
    page.on("theme", () => lanes.ruler.draw());
    showHeard();
    transport.showRange(null, false);
    theme(page);
    stemfx.keyboard(page, lanes);
    pictures(page);
  }

  start();
})();
