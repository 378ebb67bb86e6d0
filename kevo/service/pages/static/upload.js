// Sends a file as it is, and shows how far that is; without this script the form does it.
import { droppable } from "./drop.js";

const form = document.getElementById("upload");
const input = document.getElementById("file");
const progress = document.getElementById("progress");
const bar = document.getElementById("bar");
const share = document.getElementById("share");

droppable(form.querySelector(".drop"), input);

function fail(words) {
  progress.hidden = true;
  let place = document.getElementById("error");
  if (!place) {
    place = document.createElement("div");
    place.id = "error";
    place.className = "error";
    place.tabIndex = -1;
    place.setAttribute("role", "alert");
    form.before(place);
  }
  place.textContent = words;
  place.focus();
}

async function arrived(id) {
  let address = `/data/${id}`;
  if (document.getElementById("start").checked) {
    try {
      const answer = await fetch(`/data/${id}/start`, { method: "POST" });
      if (answer.redirected) address = answer.url;
    } catch {
      // It has arrived: it can be begun from its own page.
    }
  }
  location.assign(address);
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const file = input.files[0];
  if (!file) return;
  if (!/\.(zip|npz|csv)$/i.test(file.name)) return fail(form.dataset.kind);
  if (file.size > Number(form.dataset.most)) return fail(form.dataset.tooLarge);
  document.getElementById("error")?.remove();
  const request = new XMLHttpRequest();
  request.open("PUT", `/api/v1/data/${encodeURIComponent(file.name)}`);
  request.setRequestHeader("content-type", "application/octet-stream");
  request.responseType = "json";
  const began = Date.now();
  request.upload.onprogress = (at) => {
    bar.value = (100 * at.loaded) / at.total;
    const speed = at.loaded / 1e6 / Math.max(0.1, (Date.now() - began) / 1000);
    share.textContent = `${Math.floor(bar.value)} %, ${speed.toFixed(1)} MB/s`;
    if (at.loaded === at.total) share.textContent = form.dataset.looking;
  };
  request.onload = () => {
    if (request.status === 201) arrived(request.response.id);
    else if (request.status === 401) location.assign("/login");
    else fail(request.response?.detail ?? form.dataset.broken);
  };
  request.onerror = () => fail(form.dataset.broken);
  request.onabort = () => (progress.hidden = true);
  document.getElementById("cancel").onclick = () => request.abort();
  progress.hidden = false;
  request.send(file);
});
