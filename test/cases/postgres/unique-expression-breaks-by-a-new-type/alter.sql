ALTER u TYPE text USING lower(u)
