// Keyboard shortcuts, and the browser's time zone for the first login. No key is taken while somebody types.
(function () {
    "use strict";
    var ROOT = "/admin/me/", KEPT = "backoffice-shortcuts";
    var known = null, waiting = [], waitsForLetter = 0, current = -1;

    // --- the login's form tells which zone the browser is in ---

    function tellZone() {
        var form = document.getElementById("login-form");
        if (!form || !window.Intl) { return; }
        var field = document.createElement("input");
        field.type = "hidden";
        field.name = "time_zone";
        field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
        form.appendChild(field);
    }

    // --- what the keys are: asked for once in a tab, and again after its settings or its user changed ---

    function load(then) {
        if (!known) { known = JSON.parse(window.sessionStorage.getItem(KEPT) || "null"); }
        if (known) { then(known); return; }
        waiting.push(then);
        if (waiting.length > 1) { return; }
        fetch(ROOT + "shortcuts/", {credentials: "same-origin", headers: {"Accept": "application/json"}})
            .then(function (answer) { return answer.ok ? answer.json() : null; })
            .catch(function () { return null; })
            .then(function (found) {
                var all = waiting;
                waiting = [];
                if (!found) { return; }
                known = found;
                window.sessionStorage.setItem(KEPT, JSON.stringify(found));
                all.forEach(function (each) { each(found); });
            });
    }

    function isTyping(target) {
        return !target || !target.closest || target.isContentEditable ||
            target.closest("input, textarea, select, [contenteditable], [role=textbox], [role=combobox], dialog") !== null;
    }

    // --- rows of a list ---

    function rows() { return Array.prototype.slice.call(document.querySelectorAll("#result_list tr.data-row")); }

    function move(step) {
        var all = rows();
        if (!all.length) { return false; }
        if (all[current]) { mark(all[current], false); }
        current = Math.min(Math.max(current + step, 0), all.length - 1);
        mark(all[current], true);
        all[current].scrollIntoView({block: "nearest"});
        return true;
    }

    function mark(row, isOn) {
        row.style.outline = isOn ? "2px solid var(--color-primary-600)" : "";
        row.style.outlineOffset = isOn ? "-2px" : "";
        if (isOn) { row.setAttribute("aria-current", "true"); } else { row.removeAttribute("aria-current"); }
    }

    function open() {
        var row = rows()[current], link = row && row.querySelector("th a[href], td a[href]");
        if (!link) { return false; }
        window.location = link.href;
        return true;
    }

    // --- the help ---

    function line(list, keys, text, url) {
        var row = document.createElement("div"), key = document.createElement("kbd");
        var words = document.createElement(url ? "a" : "span");
        row.className = "flex flex-row gap-4 items-center py-1";
        key.className = "border border-base-200 font-mono px-2 rounded-default dark:border-base-700";
        key.style.minWidth = "4.5rem";
        key.textContent = keys;
        words.textContent = text;
        if (url) { words.href = url; }
        row.appendChild(key);
        row.appendChild(words);
        list.appendChild(row);
    }

    function help(found) {
        var box = document.getElementById("shortcuts-help");
        if (box) { box.remove(); }
        box = document.createElement("dialog");
        box.id = "shortcuts-help";
        box.style.margin = "auto";
        box.className = "bg-white border border-base-200 max-w-3xl p-6 rounded-default shadow-lg dark:bg-base-800 " +
            "dark:border-base-700 text-font-default-light dark:text-font-default-dark";
        var title = document.createElement("h2"), list = document.createElement("div"), off = document.createElement("a");
        title.className = "font-semibold mb-4 text-important text-xl";
        title.textContent = found.texts.title;
        [["?", "help"], ["/", "search"], ["Ctrl K", "palette"], ["j", "next"], ["k", "previous"], ["Enter", "open"],
            ["Esc", "close"]].forEach(function (each) { line(list, each[0], found.texts[each[1]]); });
        found.go.forEach(function (each) { line(list, each.keys, each.title, each.url); });
        list.style.columns = "2 14rem";
        off.href = found.settings;
        off.className = "block font-medium mt-4 text-primary-600 dark:text-primary-500";
        off.textContent = found.texts.off;
        [title, list, off].forEach(function (part) { box.appendChild(part); });
        box.addEventListener("click", function (event) { if (event.target === box) { box.close(); } });
        document.body.appendChild(box);
        box.showModal();
    }

    // --- keys ---

    function go(letter) {
        load(function (found) {
            found.go.forEach(function (each) { if (each.keys === "g " + letter) { window.location = each.url; } });
        });
    }

    function search() {
        var field = document.getElementById("searchbar");
        if (!field) { return false; }
        field.focus();
        field.select();
        return true;
    }

    function pressed(event) {
        if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || isTyping(event.target)) { return; }
        if (known && !known.is_on) {
            // unfold's own single keys are off, too.
            if (event.key === "/" || event.key === "t") { event.stopImmediatePropagation(); }
            return;
        }
        var isForLetter = Date.now() - waitsForLetter < 1500;
        waitsForLetter = 0;
        var took = true;
        if (isForLetter && /^[a-z]$/.test(event.key)) { go(event.key); }
        else if (event.key === "g") { waitsForLetter = Date.now(); }
        else if (event.key === "?") { load(function (found) { if (found.is_on) { help(found); } }); }
        else if (event.key === "/") { took = search(); }
        else if (event.key === "j") { took = move(1); }
        else if (event.key === "k") { took = move(-1); }
        else if (event.key === "Enter" && event.target === document.body) { took = open(); }
        else { took = false; }
        if (took) { event.preventDefault(); event.stopImmediatePropagation(); }
    }

    document.addEventListener("DOMContentLoaded", function () {
        tellZone();
        var isLogin = document.getElementById("login-form") !== null;
        if (isLogin || window.location.pathname === ROOT) { window.sessionStorage.removeItem(KEPT); }
        if (!isLogin) { load(function () {}); }
    });
    window.addEventListener("keydown", pressed, true);
})();
