// Keeps a page as it is on the server: parts marked `data-live` are fetched anew when something happens.
// One tab holds the stream of events and hands it on to the others: a browser opens six connections to a server only.

const SEARCH = document.querySelector("[data-search]")?.dataset.search;
const CHANNEL = "kevo-events";
const SHORTEST_MS = 1000;
const SLOWEST_MS = 3000;
const BETWEEN_MS = 10000;

let isFetching = false;
let isWanted = false;
let lastFetch = 0;
let lastSaid = 0;
let waitingBest = 0;

// States at once; new bests at most every ten seconds, so that nobody is talked over.
function announce(text) {
  const place = document.getElementById("announce");
  if (place && place.textContent !== text) place.textContent = text;
  lastSaid = Date.now();
}

function announceBest(text) {
  clearTimeout(waitingBest);
  waitingBest = setTimeout(() => announce(text), Math.max(0, lastSaid + BETWEEN_MS - Date.now()));
}

async function refresh() {
  isWanted = true;
  if (isFetching) return;
  isFetching = true;
  while (isWanted) {
    await new Promise((done) => setTimeout(done, Math.max(0, lastFetch + SHORTEST_MS - Date.now())));
    isWanted = false;
    lastFetch = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (answer.redirected || !answer.ok) {
        location.reload();
        return;
      }
      show(new DOMParser().parseFromString(await answer.text(), "text/html"));
    } catch {
      // The server is away for a moment: the next event, or the next look, tells.
    }
  }
  isFetching = false;
}

function show(page) {
  const isSame = [...page.querySelectorAll("[data-live]")].every((part) => document.getElementById(part.id));
  const others = (from) => from.querySelector("main")?.querySelectorAll(":scope > :not([data-live])").length;
  if (!isSame || others(page) !== others(document)) {
    // It ended, or failed: the whole page is another.
    location.reload();
    return;
  }
  const before = document.querySelector(".state")?.textContent;
  const best = document.querySelector("[data-best]")?.textContent;
  for (const part of page.querySelectorAll("[data-live]")) {
    const here = document.getElementById(part.id);
    // What somebody is at stays where it is.
    if (here.innerHTML === part.innerHTML || here.contains(document.activeElement)) continue;
    for (const one of here.querySelectorAll("input:checked")) {
      const same = part.querySelector(`#${one.id}`);
      if (one.id && same) same.setAttribute("checked", "");
    }
    const open = [...here.querySelectorAll("details")].map((one) => one.open);
    here.replaceChildren(...part.childNodes);
    here.querySelectorAll("details").forEach((one, place) => (one.open = open[place] ?? false));
  }
  document.title = page.title;
  const after = document.querySelector(".state")?.textContent;
  if (SEARCH && before !== after) announce(page.title);
  const better = document.querySelector("[data-best]")?.textContent;
  if (SEARCH && better && best !== better) announceBest(better);
}

function concerns(event) {
  return !SEARCH || !event.search || event.search === SEARCH;
}

function listen(tell) {
  return new Promise(() => {
    const source = new EventSource("/api/v1/events");
    for (const kind of ["snapshot", "state", "phase", "training", "candidate", "note", "queue", "gone"]) {
      source.addEventListener(kind, (event) => {
        const data = JSON.parse(event.data);
        tell({ kind, search: data.id });
      });
    }
  });
}

if (navigator.locks && "BroadcastChannel" in window) {
  const channel = new BroadcastChannel(CHANNEL);
  channel.onmessage = (message) => concerns(message.data) && refresh();
  navigator.locks.request(CHANNEL, () =>
    listen((event) => {
      channel.postMessage(event);
      if (concerns(event)) refresh();
    }),
  );
} else {
  let known = "";
  setInterval(async () => {
    try {
      const address = SEARCH ? `/api/v1/searches/${SEARCH}` : "/api/v1/searches?limit=500";
      const answer = await fetch(address, { cache: "no-store", headers: known ? { "if-none-match": known } : {} });
      if (answer.status === 304) return;
      known = answer.headers.get("etag") ?? "";
      refresh();
    } catch {
      // The server is away for a moment.
    }
  }, SLOWEST_MS);
}
