// Keeps the figures of a run's page fresh: once a second at first, less often when nothing moves.
(function () {
    "use strict";
    var box = document.getElementById("run-progress");
    if (!box || box.dataset.over) { return; }
    var bar = box.querySelector("[role=progressbar]"), pause = 1000, last = "";

    function show(figures) {
        box.querySelector("[data-percent]").textContent = figures.percent;
        bar.setAttribute("aria-valuenow", figures.percent);
        bar.firstElementChild.style.width = figures.percent + "%";
        figures.states.forEach(function (entry) {
            box.querySelector('[data-state="' + entry.state + '"]').textContent = entry.rows.toLocaleString("en-US");
        });
    }

    function look() {
        fetch(box.dataset.url, {credentials: "same-origin", headers: {Accept: "application/json"}})
            .then(function (answer) { return answer.ok ? answer.json() : Promise.reject(answer.status); })
            .then(function (figures) {
                if (figures.is_over) { window.location.reload(); return; }
                var text = JSON.stringify(figures);
                pause = text === last ? Math.min(pause * 1.5, 10000) : 1000;
                last = text;
                show(figures);
                window.setTimeout(look, pause);
            })
            .catch(function () { window.setTimeout(look, 10000); });
    }
    window.setTimeout(look, pause);
}());
