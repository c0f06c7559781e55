// How does the page ask the server?

// The name of this tab, under which the server keeps what it teaches.
sessionStorage.tab ??= Array.from(
  crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");

const alert = document.getElementById("error");

export function say(sentence) {
  alert.textContent = sentence;
  alert.hidden = !sentence;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// The response, however long the reader has to learn first; an Error with the server's sentence.
export async function ask(path, { method = "GET", params = {}, body, json, quietly } = {}) {
  const given = Object.entries(params).filter(([, value]) => value !== "" && value != null);
  const query = new URLSearchParams(given).toString();
  const headers = { "X-Tab": sessionStorage.tab };
  if (json) headers["Content-Type"] = "application/json";
  for (;;) {
    const answer = await fetch(`/api/${path}?${query}`,
      { method, headers, body: json ? JSON.stringify(json) : body })
      .catch(() => { throw new Error("The server does not answer."); });
    if (answer.ok && answer.status !== 202) return answer;
    const said = await answer.json().catch(() => ({ error: `The server answers ${answer.status}.` }));
    if (!answer.ok) throw new Error(said.error);
    if (!quietly) say(said.error);
    await pause(700);
    if (!quietly) say("");
  }
}

export const askJson = async (path, options) => (await ask(path, options)).json();

export async function save(path, file, options) {
  const url = URL.createObjectURL(await (await ask(path, options)).blob());
  const link = document.createElement("a");
  link.href = url;
  link.download = file;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
}

// Runs what a control asks for, and shows what went wrong.
export const shown = (work) => async (...given) => {
  try {
    say("");
    await work(...given);
  } catch (error) {
    say(error.message);
  }
};
