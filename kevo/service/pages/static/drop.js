// A label of a file input on which files can be dropped.

export function droppable(label, input) {
  for (const kind of ["dragenter", "dragover"]) {
    label.addEventListener(kind, (event) => {
      event.preventDefault();
      label.classList.add("over");
    });
  }
  for (const kind of ["dragleave", "drop"]) label.addEventListener(kind, () => label.classList.remove("over"));
  label.addEventListener("drop", (event) => {
    event.preventDefault();
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change"));
  });
}
