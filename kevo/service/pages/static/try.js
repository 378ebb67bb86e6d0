// Predicts pictures as soon as they are chosen, and shows them beside what the model says.
import { droppable } from "./drop.js";

const form = document.getElementById("try");
const input = document.getElementById("pictures");
const said = document.getElementById("said");
const answers = document.getElementById("answers");
const card = document.getElementById("card");
const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });

droppable(form.querySelector(".drop"), input);
const why = document.getElementById("why");
why.closest("p").hidden = "never" in why.closest("p").dataset;
const camera = document.getElementById("camera");

function pause(seconds) {
  return new Promise((done) => setTimeout(done, 1000 * seconds));
}

function addressOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
}

function swatch(color) {
  const drawing = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const square = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  drawing.setAttribute("viewBox", "0 0 10 10");
  drawing.setAttribute("class", "swatch");
  drawing.setAttribute("aria-hidden", "true");
  for (const side of ["width", "height"]) square.setAttribute(side, "10");
  square.setAttribute("fill", color);
  drawing.append(square);
  return drawing;
}

function shown(one, file) {
  const article = card.content.cloneNode(true).firstElementChild;
  article.querySelector("h2").textContent = one.name;
  const image = article.querySelector("img");
  const drawn = one.grad_cam ?? one.overlay;
  if (drawn) {
    image.src = addressOf(drawn);
    image.alt = one.overlay ? form.dataset.mask : form.dataset.why;
    image.className = "wide";
  } else if (file) image.src = URL.createObjectURL(file);
  else image.remove();
  // Objects put names that are numbers first.
  const likeliest = Object.entries(one.area ?? one.probabilities).sort((first, second) => second[1] - first[1]);
  for (const [label, value] of likeliest) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const number = document.createElement("span");
    const bar = document.createElement("progress");
    name.textContent = label;
    name.dir = "auto";
    if (one.colors) name.prepend(swatch(one.colors[label]), " ");
    number.className = "number";
    number.textContent = percent.format(value);
    bar.max = 1;
    bar.value = value;
    bar.setAttribute("aria-label", label);
    row.append(name, number, bar);
    article.querySelector("ul").append(row);
  }
  if (one.mask) {
    const line = document.createElement("p");
    const link = document.createElement("a");
    link.href = addressOf(one.mask);
    link.download = `${one.name.replace(/\.\w+$/, "")}-mask.png`;
    link.textContent = form.dataset.save;
    line.append(link);
    article.append(line);
  }
  return article;
}

function refused(name, reason) {
  const line = document.createElement("p");
  const strong = document.createElement("strong");
  line.className = "notice";
  strong.textContent = name;
  line.append(strong, ` ${form.dataset.skipped} ${reason}`);
  return line;
}

async function predict() {
  const files = [...input.files, ...camera.files];
  if (!files.length) return;
  const body = new FormData();
  for (const file of files) body.append("pictures", file);
  answers.replaceChildren();
  said.textContent = form.dataset.work;
  const address = form.dataset.address + (why.checked ? "&grad_cam=true" : "");
  try {
    let answer = await fetch(address, { method: "POST", body });
    while (answer.status === 503) {
      said.textContent = form.dataset.wait;
      await pause(Number(answer.headers.get("retry-after") ?? 5));
      answer = await fetch(address, { method: "POST", body });
    }
    const values = await answer.json();
    if (!answer.ok) {
      answers.append(refused("", values.detail));
    } else {
      const named = new Map(files.map((file) => [file.name, file]));
      answers.append(...values.predictions.map((one) => shown(one, named.get(one.name))));
      answers.append(...values.skipped.map((one) => refused(one.name, one.reason)));
    }
    said.textContent = "";
  } catch {
    said.textContent = form.dataset.broken;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  predict();
});
for (const [one, other] of [[input, camera], [camera, input]]) {
  one.addEventListener("change", () => {
    other.value = "";
    predict();
  });
}
why.addEventListener("change", predict);
