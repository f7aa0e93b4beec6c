"""Who may call, over what, and how much of the host one client may take."""
