// How is it to be read?

const get = (id) => document.getElementById(id);
const ids = ["recipe", "k", "metric", "weights"];

export const chosen = () => Object.fromEntries(ids.map((id) => [id, get(id).value]));

export function onChange(listener) {
  get("settings").addEventListener("change", () => {
    get("metric").disabled = get("recipe").value !== "plain";
    if (get("k").checkValidity()) listener();
  });
}
