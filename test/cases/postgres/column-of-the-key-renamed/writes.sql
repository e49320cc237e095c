UPDATE t SET id = -id WHERE id % 2 = 0
