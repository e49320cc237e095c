UPDATE t SET a = a + 1000, id = id + 1000
