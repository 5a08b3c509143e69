// Where the pieces of the listening copies come from: inside the page, beside it, or served.
(() => {
  "use strict";
  const stemfx = (globalThis.stemfx ??= {});

  const kept = new Map(); // point -> Promise of its pieces in base64

  // The sound stands at the end of the page, which may still be read.
  const isRead = () =>
    document.readyState !== "loading"
      ? null
      : new Promise((resolve) => document.addEventListener("DOMContentLoaded", resolve, { once: true }));

  async function embedded(point) {
    await isRead();
    const element = document.getElementById(`audio-${point}`);
    if (element === null) throw new Error(`This page holds no sound of ${point}.`);
    const pieces = element.textContent.trim().split("\n");
    element.remove(); // the pieces are kept: not twice
    return pieces;
  }

  // A page from disk may not fetch; a script beside it may say `stemfx.sound.put("p3", "...\n...")`.
  const waiting = new Map();
  function beside(point, folder) {
    return new Promise((resolve, reject) => {
      waiting.set(point, resolve);
      const script = document.createElement("script");
      script.src = `${folder.split("/").map(encodeURIComponent).join("/")}/${point}.js`;
      script.onload = () => script.remove();
      script.onerror = () => {
        kept.delete(point);
        reject(new Error(`The sound is not there: the folder ${folder} belongs beside this page.`));
      };
      document.head.append(script);
    });
  }

  async function served(point, number, folder) {
    const answer = await fetch(`${folder}/${point}/${number}`);
    if (!answer.ok) throw new Error(`The server has no sound of ${point} (${answer.status}).`);
    return answer.arrayBuffer();
  }

  stemfx.sound = {
    put(point, text) {
      waiting.get(point)?.(text.trim().split("\n"));
      waiting.delete(point);
    },
    // Return load(point, k) -> Promise<ArrayBuffer> for the engine.
    loader({ where, folder }) {
      if (where === "served") return (point, number) => served(point, number, folder);
      return async (point, number) => {
        if (!kept.has(point)) kept.set(point, where === "beside" ? beside(point, folder) : embedded(point));
        return stemfx.decode.bytes((await kept.get(point))[number]).buffer;
      };
    },
  };
})();
