// Loads the page's content again when the journal has new entries. Without it the page works, too.
(() => {
  const words = document.getElementById("live");
  const main = document.getElementById("main");
  if (!window.EventSource || !main) return;
  let head = Number(main.dataset.head);
  let busy = false;
  let stale = false;

  // What somebody has opened or writes in stays as it is.
  const isInUse = () => main.querySelector(".log details[open]") || main.querySelector("input:focus, select:focus") || main.querySelector("#check");

  async function load() {
    if (busy || isInUse()) { stale = true; words.textContent = "there are new entries: reload to see them"; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (!fresh) throw new Error("no page");
      main.replaceChildren(...fresh.childNodes);
      main.dataset.head = fresh.dataset.head;
      head = Number(fresh.dataset.head);
      words.textContent = "live";
    } catch {
      words.textContent = "the server does not answer: this is what was known last";
    } finally { busy = false; }
  }

  const source = new EventSource("/events");
  source.addEventListener("entries", (event) => { if (Number(event.data) !== head) load(); else words.textContent = "live"; });
  source.addEventListener("open", () => { words.textContent = "live"; });
  source.addEventListener("error", () => { words.textContent = "the server does not answer: this is what was known last"; });
  main.addEventListener("toggle", () => { if (stale && !isInUse()) { stale = false; load(); } }, true);
  // Times on the page grow without any entry.
  setInterval(() => { if (document.visibilityState === "visible" && !isInUse()) load(); }, 10000);
})();
