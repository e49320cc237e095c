ALTER u TYPE numeric(10, 0)
