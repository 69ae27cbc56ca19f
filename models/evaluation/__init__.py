"""How good enlargements are, against a truth: measures, gains over bicubic, sheets. Knows no workers, no command."""
