// Loads the page's content again when the journal has new entries. Without it the page works, too.
(() => {
  const words = document.getElementById("live");
  const main = document.getElementById("main");
  if (!window.EventSource || !main) return;
  let head = Number(main.dataset.head);
  let busy = false;
  let stale = false;

  // A log of which somebody has opened an entry stays as it is.
  const isInUse = () => main.querySelector(".log details[open]") || main.querySelector("#check");

  const told = "the server does not answer: this is what was known last";

  // Only what differs is put in, so that scrolled tables, opened charts and the focus stay.
  const texts = (node) => Array.from(node.childNodes).filter((child) => child.nodeType === Node.TEXT_NODE).map((child) => child.data).join("");
  function update(before, after) {
    if (before.isEqualNode(after)) return;
    const isAlike = before.nodeName === after.nodeName && before.childElementCount === after.childElementCount && texts(before) === texts(after);
    const isPlain = !before.childElementCount || before.nodeName === "OL" || before.nodeName === "svg";
    if ((!isAlike || isPlain) && before !== main) { before.replaceWith(after.cloneNode(true)); return; }
    for (const { name, value } of Array.from(after.attributes)) if (name !== "open" && before.getAttribute(name) !== value) before.setAttribute(name, value);
    // What is followed stays itself: a part of it came or went, so all of them are put in anew.
    if (!isAlike || isPlain) { before.replaceChildren(...after.cloneNode(true).childNodes); return; }
    const children = Array.from(after.children);
    Array.from(before.children).forEach((child, index) => update(child, children[index]));
  }

  async function load() {
    if (busy || isInUse()) { stale = true; words.textContent = "there are new entries: reload to see them"; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, credentials: "same-origin" });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("main");
      if (!fresh) throw new Error("no page");
      update(main, fresh);  // also where it says why nothing can be shown
      head = answer.ok ? Number(fresh.dataset.head) : 0;
      words.textContent = answer.ok ? "live" : "this cannot be shown now";
    } catch {
      words.textContent = told;
    } finally { busy = false; }
  }

  // A browser opens six connections to a host: a page that nobody looks at keeps none of them.
  let source = null;
  function follow() {
    if (document.visibilityState !== "visible") { if (source) source.close(); source = null; return; }
    if (source) return;
    source = new EventSource("/events");
    source.addEventListener("entries", (event) => { if (Number(event.data) !== head) load(); else words.textContent = "live"; });
    source.addEventListener("open", () => { words.textContent = "live"; });
    source.addEventListener("error", () => { words.textContent = told; });
  }
  follow();
  document.addEventListener("visibilitychange", follow);
  main.addEventListener("toggle", () => { if (stale && !isInUse()) { stale = false; load(); } }, true);
  // Times on the page grow without any entry.
  setInterval(() => { if (document.visibilityState === "visible" && !isInUse()) load(); }, 10000);
})();
