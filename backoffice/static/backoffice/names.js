// Says to a screen reader what the libraries' own widgets leave unsaid.
(function () {
    "use strict";

    function name() {
        // A field that completes itself is a box of its own beside the select that has the label.
        document.querySelectorAll("select.select2-hidden-accessible").forEach(function (select) {
            var label = select.labels && select.labels[0];
            var text = label ? label.textContent.trim() : select.getAttribute("aria-label");
            var box = select.nextElementSibling;
            if (!text || !box) { return; }
            box.querySelectorAll(".select2-selection, .select2-selection__rendered").forEach(function (part) {
                part.setAttribute("aria-label", text);
            });
        });
        // A link that is an icon alone would be read as the icon's own word, such as “add”.
        document.querySelectorAll("a[title]:not([aria-label]) > .material-symbols-outlined:only-child").forEach(function (icon) {
            var link = icon.parentElement;
            if (link.textContent.trim() === icon.textContent.trim()) { link.setAttribute("aria-label", link.title); }
        });
        document.querySelectorAll(".help-tooltip").forEach(function (icon) { icon.setAttribute("role", "img"); });
        document.querySelectorAll("ul.object-tools > div").forEach(function (item) { item.setAttribute("role", "listitem"); });
    }

    // The widgets make themselves when the page is loaded; after them.
    window.addEventListener("load", function () { window.setTimeout(name, 0); });
    document.addEventListener("formset:added", name);
}());
