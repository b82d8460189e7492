//! What the elementary functions are made of.

/// Constants of single precision. Polynomials by Remez on the reduced range; `LN2_HIGH` has 14 bits, so that its
/// product with any exponent is exact.
#[allow(clippy::excessive_precision, clippy::unreadable_literal)]
pub(crate) mod single {
    pub const NAN: f32 = f32::NAN;
    pub const INFINITY: f32 = f32::INFINITY;
    pub const MIN_POSITIVE: f32 = f32::MIN_POSITIVE;
    pub const LOG2_E: f32 = std::f32::consts::LOG2_E;
    /// log 2⁻¹²⁷: e to this is 2⁻¹²⁷, whose exponent has no bits.
    pub const EXP_UNDERFLOW: f32 = -88.029_69;
    pub const EXP_LOW: f32 = -104.0;
    pub const EXP_HIGH: f32 = 89.0;
    /// 1.5 · 2²³ + the bias of exponents: what is added to it is rounded to an integer, and lies biased in the low bits.
    pub const ROUNDER: f32 = 12_583_039.0;
    pub const LN2_HIGH: f32 = 0.693115234375;
    pub const LN2_LOW: f32 = 0.000031946184945309417;
    pub const MANTISSA: u32 = 23;
    pub const MANTISSA_MASK: u32 = (1 << 23) - 1;
    pub const BIAS: u32 = 127;
    pub const ONE_BITS: u32 = 1.0f32.to_bits();
    pub const SQRT_HALF_BITS: u32 = std::f32::consts::FRAC_1_SQRT_2.to_bits();
    /// (eʳ − 1 − r)/r² on |r| ≤ ln2/2.
    pub const EXP: [f32; 6] = [
        0.5000000013498178,
        0.1666666668165918,
        0.04166646460202654,
        0.008333310889582077,
        0.001393368586261717,
        0.0001989103065437033,
    ];
    /// The same in one term less, where 2 ulp will do.
    pub const EXP_SHORT: [f32; 5] =
        [0.4999999955293445, 0.16666577319252634, 0.041666853327855805, 0.0083631404526053209, 0.0013901286077705694];
    /// (log(1 + u)/u − 1)/u in \[0, 1\]: the first two terms, and the others.
    pub const LOG1P: [f32; 2] = [-0.49999647898562234, 0.33321321339263516];
    pub const LOG1P_REST: [f32; 6] = [
        -0.2485715451226696,
        0.1915362244288283,
        -0.13753738724025854,
        0.079203835648218703,
        -0.030065386386107277,
        0.0053647277265926578,
    ];
    /// (2 atanh(s)/s − 2)/s² in s² ≤ (√2 − 1)²/(√2 + 1)².
    pub const ATANH_SMALL: [f32; 4] = [0.666666665504973, 0.400001248001483, 0.285505063608462, 0.233386300255142];
}

/// Constants of double precision; `LN2_HIGH` has 32 bits.
#[allow(clippy::excessive_precision, clippy::unreadable_literal)]
pub(crate) mod double {
    pub const NAN: f64 = f64::NAN;
    pub const INFINITY: f64 = f64::INFINITY;
    pub const MIN_POSITIVE: f64 = f64::MIN_POSITIVE;
    pub const LOG2_E: f64 = std::f64::consts::LOG2_E;
    /// log 2⁻¹⁰²³.
    pub const EXP_UNDERFLOW: f64 = -709.089_565_712_824;
    pub const EXP_LOW: f64 = -746.0;
    pub const EXP_HIGH: f64 = 710.0;
    /// 1.5 · 2⁵² + the bias.
    pub const ROUNDER: f64 = 6_755_399_441_056_767.0;
    pub const LN2_HIGH: f64 = 0.69314718036912381649;
    pub const LN2_LOW: f64 = 1.9082149292705878161e-10;
    pub const MANTISSA: u32 = 52;
    pub const MANTISSA_MASK: u64 = (1 << 52) - 1;
    pub const BIAS: u64 = 1023;
    pub const ONE_BITS: u64 = 1.0f64.to_bits();
    pub const SQRT_HALF_BITS: u64 = std::f64::consts::FRAC_1_SQRT_2.to_bits();
    pub const EXP: [f64; 10] = [
        0.50000000000000010263,
        0.16666666666666674568,
        0.041666666666623989228,
        0.0083333333333221620611,
        0.0013888888917282900264,
        0.00019841269886734822002,
        0.000024801521188599934699,
        2.755724216954224635e-6,
        2.7620139439009054616e-7,
        2.5110113922397016315e-8,
    ];
    pub const EXP_SHORT: [f64; 10] = EXP;
    /// (2 atanh(s)/s − 2)/s² in s² ≤ 1/9.
    pub const ATANH_THIRD: [f64; 10] = [
        0.66666666666666658105,
        0.40000000000015252927,
        0.28571428566947536129,
        0.22222222732348270702,
        0.18181788744628093011,
        0.15385588064269427535,
        0.13313869041795499355,
        0.12003524220438514,
        0.087889626897683369162,
        0.16187613362657726268,
    ];
    /// The same in s² ≤ (√2 − 1)²/(√2 + 1)².
    pub const ATANH_SMALL: [f64; 7] = [
        0.66666666666666698491,
        0.39999999999895034753,
        0.28571428627937506335,
        0.22222210822992346741,
        0.18182911338677154045,
        0.15330997232727220983,
        0.14625255698345574498,
    ];
}
