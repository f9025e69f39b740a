"""Who may do what: the whole matrix, what stays hidden, and what is refused."""
