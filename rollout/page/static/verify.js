// Computes every hash of the journal in this browser, and asks the server to decide each look again.
(() => {
  const check = document.getElementById("check");
  const replay = document.getElementById("replay");
  const chain = document.getElementById("chain");
  const decisions = document.getElementById("decisions");
  const progress = document.getElementById("progress");
  if (!check || !window.crypto || !crypto.subtle) {
    if (chain) chain.textContent = "This browser offers no hashes here (it needs https or a loopback address).";
    return;
  }
  check.hidden = replay.hidden = false;
  const say = (where, words, isGood) => { where.textContent = words; where.className = isGood ? "good" : "alarm"; };
  const encoder = new TextEncoder();

  async function digest(text) {
    const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", encoder.encode(text)));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  async function ask(path) {
    const answer = await fetch(path, { credentials: "same-origin" });
    if (!answer.ok) throw new Error((await answer.text()).slice(0, 300));
    return answer.json();
  }

  async function verify() {
    let previous = check.dataset.genesis, after = 0, hidden = 0;
    progress.hidden = false;
    for (;;) {
      const part = await ask(`/rows?after=${after}`);
      progress.max = Math.max(part.head, 1);
      if (!part.rows.length) break;
      for (const row of part.rows) {
        if (row.seq !== after + 1) return say(chain, `Entry ${after + 1} is missing.`, false);
        if (row.previous !== previous) return say(chain, `Entry ${row.seq} does not follow the one before it.`, false);
        if (row.text === null) hidden += 1;
        else if (await digest(`${row.previous}\n${row.seq}\n${row.text}`) !== row.hash) return say(chain, `Entry ${row.seq} was altered: its hash is of another text.`, false);
        previous = row.hash; after = row.seq; progress.value = after;
      }
    }
    const rest = hidden ? ` ${hidden} hold the password of a URL, so their text is not handed out and was not checked here.` : "";
    say(chain, `✓ This browser computed the hashes of ${after - hidden} entries: the chain is whole. The last hash is ${previous}.${rest}`, true);
  }

  check.addEventListener("click", async () => {
    check.disabled = true;
    try { await verify(); } catch (error) { say(chain, `That failed: ${error.message}`, false); }
    check.disabled = false;
  });
  replay.addEventListener("click", async () => {
    replay.disabled = true;
    decisions.textContent = "Deciding again…";
    try {
      const { looks, of, differ } = await ask("/replay");
      const some = looks < of;
      const rest = some ? ` They are the newest of ${of}; surefoot verify does all.` : "";
      const words = differ.length ? `${looks - differ.length} of ${looks} decisions come out as recorded; not ${differ.slice(0, 20).join(", ")}.${rest}` : `✓ ${some ? "" : "All "}${looks} decisions come out as recorded.${rest}`;
      say(decisions, words, !differ.length);
    } catch (error) { say(decisions, `That failed: ${error.message}`, false); }
    replay.disabled = false;
  });
})();
