"""How an account on G-Commerce is connected, step by step, for the page that guides people through it."""

GUIDE = {
    "credentials": (
        "In the vendor panel open Account, Administrators, and there the administrator who is to be used.",
        "On the API access tab tick that it is allowed, copy the key, and press Save. The key is shown once.",
        "The e-mail is that administrator's.",
    ),
    "reading": (
        "Look at the order statuses of your shop in the vendor panel: letters beyond the usual ones go into the option"
        " “Status letters”.",
    ),
}
