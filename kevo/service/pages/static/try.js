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
why.closest("p").hidden = false;

function pause(seconds) {
  return new Promise((done) => setTimeout(done, 1000 * seconds));
}

function shown(one, file) {
  const article = card.content.cloneNode(true).firstElementChild;
  article.querySelector("h2").textContent = one.name;
  const image = article.querySelector("img");
  if (one.grad_cam) {
    const bytes = Uint8Array.from(atob(one.grad_cam), (letter) => letter.charCodeAt(0));
    image.src = URL.createObjectURL(new Blob([bytes], { type: "image/png" }));
    image.alt = form.dataset.why;
    image.className = "wide";
  } else if (file) image.src = URL.createObjectURL(file);
  else image.remove();
  // Objects put names that are numbers first.
  const likeliest = Object.entries(one.probabilities).sort((first, second) => second[1] - first[1]);
  for (const [label, value] of likeliest) {
    const row = document.createElement("li");
    const name = document.createElement("span");
    const number = document.createElement("span");
    const bar = document.createElement("progress");
    name.textContent = label;
    name.dir = "auto";
    number.className = "number";
    number.textContent = percent.format(value);
    bar.max = 1;
    bar.value = value;
    bar.setAttribute("aria-label", label);
    row.append(name, number, bar);
    article.querySelector("ul").append(row);
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
  const files = [...input.files];
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
input.addEventListener("change", predict);
why.addEventListener("change", predict);
