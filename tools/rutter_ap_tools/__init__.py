"""What an assistant can say and be told: typed tools, money and errors. No I/O; imports no other package of ours."""
