ALTER a TYPE small
