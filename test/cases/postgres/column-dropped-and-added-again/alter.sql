DROP a, ADD a int DEFAULT 5, ADD d int
