"""Django's own mail tests, run over queue, drain and a recording SMTP server; none of their code is kept here."""
