ALTER a TYPE integer
