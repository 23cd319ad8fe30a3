// Says what the price that is being typed means: fees, what is left, limits. The button beside it does the same without it.
(function () {
    "use strict";
    var form = document.querySelector("form[data-earnings]"), box = document.getElementById("earnings");
    if (!form || !box) { return; }
    var names = ["price", "currency", "floor", "ceiling"], waiting = null, asked = 0, said = "";

    function line(text, isGrave) {
        var made = document.createElement("p");
        made.textContent = text;
        if (isGrave) { made.className = "font-semibold text-red-700 dark:text-red-400"; }
        return made;
    }

    function show(lines, refusal) {
        box.replaceChildren.apply(box, lines.map(function (text) { return line(text, false); }));
        if (refusal) { box.appendChild(line(refusal, true)); }
    }

    function ask() {
        var query = new URLSearchParams(), mine = ++asked;
        names.forEach(function (name) {
            if (form.elements[name]) { query.set(name, form.elements[name].value); }
        });
        if (query.toString() === said || !query.get("price")) { return; }
        said = query.toString();
        box.setAttribute("aria-busy", "true");
        fetch(form.dataset.earnings + "?" + said, {credentials: "same-origin", headers: {Accept: "application/json"}})
            .then(function (answer) { return answer.ok ? answer.json() : Promise.reject(answer.status); })
            .then(function (words) { if (mine === asked) { show(words.lines, words.refusal); } })
            .catch(function () { if (mine === asked) { show(["It can't be said now. Press “What do we get?” to try again."]); } })
            .finally(function () { if (mine === asked) { box.removeAttribute("aria-busy"); } });
    }

    function soon() {
        window.clearTimeout(waiting);
        waiting = window.setTimeout(ask, 600);  // a marketplace's budget is small: it is asked when the typing rests
    }
    names.forEach(function (name) {
        if (form.elements[name]) { form.elements[name].addEventListener("input", soon); }
    });
    ask();
}());
