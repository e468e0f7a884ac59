//! Geo: places all over the map, near one another and at its edges, and what lies around them.

pub const GRAMMAR: &str = r#"
geo:
  30 GEOADD <geo-key> <geoadd-option>* <located>+
  10 GEOADD <geo-key> <located> <located> <located> <located> <located>
  10 GEOPOS <geo-key> <geo-member>*
  8 GEOHASH <geo-key> <geo-member>*
  14 GEODIST <geo-key> <geo-member> <geo-member> <distance-unit>?
  40 GEOSEARCH <geo-key> <search-from> <search-by> <geo-option>*
  6 GEOSEARCH <geo-key> <search-by> <geo-option>* <search-from>
  4 GEOSEARCH <geo-key> <search-from>? <search-by>? <geo-option>* <geo-option>* <geo-option>*
  14 GEOSEARCHSTORE <geo-key> <geo-key> <search-from> <search-by> <geostore-option>*
  12 GEORADIUS <geo-key> <longitude> <latitude> <radius> <distance-unit> <radius-option>*
  8 GEORADIUS_RO <geo-key> <longitude> <latitude> <radius> <distance-unit> <geo-option>*
  10 GEORADIUSBYMEMBER <geo-key> <geo-member> <radius> <distance-unit> <radius-option>*
  6 GEORADIUSBYMEMBER_RO <geo-key> <geo-member> <radius> <distance-unit> <geo-option>*
  6 ZRANGE <geo-key> 0 -1 WITHSCORES
  4 ZREM <geo-key> <geo-member>
  3 ZADD <geo-key> <odd-score> <geo-member>
  3 ZCARD <geo-key>
  3 DEL <geo-key>
  2 EXPIRE <geo-key> <seconds>
  1 SET <geo-key> <value>
  2 <other-type>

geo-key:
  5 g1
  5 g2
  1 g3
  1 <key>

geo-member:
  3 a
  3 b
  3 c
  2 d
  2 e
  1 f<index>
  1 <word>

located:
  12 <longitude> <latitude> <geo-member>
  1 <longitude> <latitude>

geoadd-option:
  2 NX
  2 XX
  3 CH

// All different, since the order of what is equally far away is nobody's promise.
longitude:
  8 2.<six-digits>
  8 -122.4<six-digits>
  3 179.9<six-digits>
  3 -179.9<six-digits>
  2 <degrees>.<six-digits>
  1 0
  1 180
  1 -180
  1 180.1
  1 abc

latitude:
  8 48.<six-digits>
  6 37.7<six-digits>
  4 -33.<six-digits>
  2 84.9<six-digits>
  2 -84.9<six-digits>
  1 0
  1 85.05112878
  1 86
  1 nan

six-digits:
  1 <digit><digit><digit><digit><digit><digit>

degrees:
  2 1<digit>
  2 -9<digit>
  1 4<digit>

distance-unit:
  6 m
  6 km
  3 mi
  3 ft
  1 KM
  1 yd

radius:
  4 1<digit>
  4 1<digit><digit>
  4 <digit><digit><digit><digit>.5
  2 <digit><digit><digit><digit><digit>
  1 0
  1 -1
  1 abc

search-from:
  6 FROMMEMBER <geo-member>
  8 FROMLONLAT <longitude> <latitude>

search-by:
  10 BYRADIUS <radius> <distance-unit>
  8 BYBOX <radius> <radius> <distance-unit>
  1 BYRADIUS <radius>

geo-option:
  6 ASC
  4 DESC
  5 COUNT <geo-count>
  2 COUNT <geo-count> ANY
  5 WITHDIST
  5 WITHHASH
  3 WITHCOORD
  2 STOREDIST
  1 nonsense

geostore-option:
  6 ASC
  4 COUNT <geo-count>
  5 STOREDIST
  1 WITHDIST

radius-option:
  8 <geo-option>
  3 STORE <geo-key>
  3 STOREDIST <geo-key>

geo-count:
  3 1
  3 2
  3 3
  2 10
  1 0
  1 -1

odd-score:
  2 1
  1 -1
  1 4503599627370496
  1 1e30
  1 3479099956230698.5
"#;
