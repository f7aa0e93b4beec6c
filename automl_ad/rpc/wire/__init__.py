"""What travels, on the server's side: requests into rows, scores into answers, whoever sent them."""
