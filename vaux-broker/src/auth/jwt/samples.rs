//! Keys and tokens as PyJWT makes them: subject alice, audience mqtt and web, good until the year 2100.

/// Algorithm, key file, token.
pub(super) const SAMPLES: [(&str, &str, &str); 4] = [
    (
        "RS256",
        "-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA5ZYSkc16aRE+XY2HPb89\ng9UwWppKXbFcKer9w4xIqNhfHA5r1OOu9Xgx1S9tfVUUfwSGgRrkYFd1n5yPOKpq\n0K35OIou1M7zXozU+stCuYzxgj+eb8DEkwr78c0X7J7hgc59Dk7DsfQFKHeeVpsT\nyfIDC7mwVC7tJtZJb78qnc2YCrk11IXpwddlKTBBqVSmksLH78sIB3bcfDIuYYNN\npoj+ZvYhUS7sRuVUEx2iWRmROIPfaTxvOw6Mpw9ipsQPCBQtltf1j9JeDdOmd7QE\n7Tmy8Kq7i5o9CwvJqDN0N8mCfmk4PgyTyLsPKzOrAilhMH6BXJx8hbheucGGap1T\nTQIDAQAB\n-----END PUBLIC KEY-----\n",
        "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMCwiYXVkIjpbIm1xdHQiLCJ3ZWIiXSwibmFtZSI6IkFsaWNlIn0.bcZAuNw6vbhe5ku3HUIk5-m420Cxo27op-MOZ3ywJObSABbvJi0Dce4g56kVIXqiP4LxTDJlETcyzA56Vsf_Oyu0g53CI0IRGxTITVhmZVgULihsAoXHaZIecxffFW6p3vsdSwGW-dK0TgNhKPmRVLBbrcXih52HQwTvZ0vSRwhpMe3o54TSqDTw5gCyk3yfJ61cKHVj1bFETOkFun_FcsQ6TXLA3Kw-Y6TD5aPsQvQOCSwYEtREEBXI9r71lAIIlotFxGa2IvRXywuaJoKKdK-YgN5wu7q1vOvI2TmFmtb_rtb0hjSQoqANTkx5k4cXuH5T4K75gc4mDMj5MCkMoA",
    ),
    (
        "ES256",
        "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEsSxxt68vfab2NTJT9qOYFPLx/EJI\nJur8W2THfOo1616orx1d7wTpoM8mLGBdJ8c7WI65Y+I9TKNumdGYvBupcw==\n-----END PUBLIC KEY-----\n",
        "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMCwiYXVkIjpbIm1xdHQiLCJ3ZWIiXSwibmFtZSI6IkFsaWNlIn0.XWwr_hP8M6jUKDLONH8dVK96MbApSWmrgeK_lMicCENwxXrJYuoEssO3G9MYNkcSCyHUlAxwWyrikZcI9apiuQ",
    ),
    (
        "EdDSA",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAfw5L1CYShxAZrFh5RoUlYuyBcmpPVNWwkmtSq+amuzA=\n-----END PUBLIC KEY-----\n",
        "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMCwiYXVkIjpbIm1xdHQiLCJ3ZWIiXSwibmFtZSI6IkFsaWNlIn0.7RsI7ePGm8WvJFi3nTsaopXdH9-9Rys0yEVAPPXRJ1PCOxO8Btf0wcmctIEc-vDnD6-lhDI9fWYvcj-t-FIWBA",
    ),
    (
        "HS256",
        "a secret of thirty-two bytes or so\n",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJhbGljZSIsImV4cCI6NDEwMjQ0NDgwMCwiYXVkIjpbIm1xdHQiLCJ3ZWIiXSwibmFtZSI6IkFsaWNlIn0.yojqoGPkTw9o3kcl3u1HDt4ZeZbLoFGWfzk3sNg4dfM",
    ),
];
