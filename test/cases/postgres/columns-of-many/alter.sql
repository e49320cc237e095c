ADD last int DEFAULT 0
